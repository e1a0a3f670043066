//go:build chart

package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const tableHead = "| value | default | meaning |\n|---|---|---|\n"

// TestValuesTable holds the table in docs/install.md to values.yaml and its comments.
func TestValuesTable(t *testing.T) {
	const file = "../docs/install.md"
	text, err := os.ReadFile("chart/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values yaml.Node
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	writeRows(t, &rows, "", values.Content[0])
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, table, ok := strings.Cut(string(page), tableHead)
	if !ok {
		t.Fatalf("%s has no table of values", file)
	}
	table, after, _ := strings.Cut(table, "\n\n")
	if *update {
		table = strings.TrimSuffix(rows.String(), "\n")
		if err := os.WriteFile(file, []byte(before+tableHead+table+"\n\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(rows.String(), table+"\n"); diff != "" {
		t.Errorf("the values in %s are not those of values.yaml, run make generate (-want +got):\n%s", file, diff)
	}
}

// whole are values that are one row, though they are mappings.
var whole = []string{"config", "labels", "resources"}

// writeRows writes a row for each value below a mapping. Each is explained by the
// comment above it.
func writeRows(t *testing.T, w *strings.Builder, path string, mapping *yaml.Node) {
	t.Helper()
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 && !slices.Contains(whole, key.Value) {
			writeRows(t, w, name, value)
			continue
		}
		_, last := cutLast(key.HeadComment, "\n\n") // what is above an empty line is about what follows
		meaning := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll("\n"+last, "\n# ", " "), "\n#", " "))
		if meaning == "" {
			t.Errorf("values.yaml: %s has no comment above it", name)
		}
		var v any
		if err := value.Decode(&v); err != nil {
			t.Fatal(err)
		}
		byDefault, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "| `%s` | `%s` | %s |\n", name, byDefault, strings.ReplaceAll(meaning, "|", `\|`))
	}
}

func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return "", s
}
