// Package pagetest checks HTML reports.
package pagetest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

var (
	number  = regexp.MustCompile(`^-?\d+(\.\d)?$`)
	outside = regexp.MustCompile(`(?i)<script|<link|<img|<iframe|@import|url\(|https?:`)
)

// Check checks that a page is well-formed, needs nothing from elsewhere, and draws
// within its charts. It returns the page's text.
func Check(t testing.TB, page string) string {
	t.Helper()
	if found := outside.FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	var text strings.Builder
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		} else if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s runs %q", token.Name.Local, a.Value)
				}
				switch a.Name.Local {
				case "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width":
					if !number.MatchString(a.Value) {
						t.Errorf("%s of %s is %q", a.Name.Local, token.Name.Local, a.Value)
					}
				case "points":
					for _, point := range strings.Fields(a.Value) {
						var x, y float64
						if n, err := fmt.Sscanf(point, "%f,%f", &x, &y); n != 2 || err != nil || x < 0 || x > 440 || y < 0 || y > 300 {
							t.Errorf("point %q lies outside of the chart", point)
						}
					}
				}
			}
		}
	}
}
