// Package page holds what HTML reports are drawn with: a style, tiles, charts of bars and
// of lines, and numbers in words. A page is one file that needs nothing else: no script,
// no font and no network.
package page

import (
	_ "embed"
	"html/template"
)

//go:embed parts.html
var parts string

// New parses a page, whose templates may use "style", "tiles" of a []Tile, "bars" of a
// *Bars and "plot" of a *Plot. It panics on a mistake in the page.
func New(page string) *template.Template {
	return template.Must(template.Must(template.New("page").Parse(parts)).Parse(page))
}

// A Tile is one number to take home.
type Tile struct {
	Value, What, Beside string
	Good                bool // better than, or as good as, what it stands beside
}
