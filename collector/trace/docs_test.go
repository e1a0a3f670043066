package trace_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocs checks that docs/formats.md describes the columns that there are, and
// that its example reads.
func TestDocs(t *testing.T) {
	md, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(md), "```csv\n")
	example, _, _ = strings.Cut(example, "```")
	if records := read(t, "formats.md.csv", []byte(example)); len(records) != 1 {
		t.Errorf("the example has %d records, want 1", len(records))
	}

	_, table, _ := strings.Cut(string(md), "| column | what |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var described []string
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			described = append(described, m[1])
		}
	}
	header, _, _ := strings.Cut(string(write(t, nil)), "\n")
	known := append(strings.Split(header, ","), "feature.NAME")
	slices.Sort(described)
	slices.Sort(known)
	if !slices.Equal(described, known) {
		t.Errorf("docs/formats.md describes %v, the columns are %v", described, known)
	}
}
