package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// annotations.md names every label and annotation that predictor/jobspec does.
func TestAnnotations(t *testing.T) {
	page, err := os.ReadFile("annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../predictor/jobspec/names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // constants by name
	var value func(ast.Expr) string
	value = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			return s
		case *ast.Ident:
			return names[e.Name]
		case *ast.BinaryExpr:
			return value(e.X) + value(e.Y)
		}
		t.Fatalf("%T in a constant", e)
		return ""
	}
	for _, d := range file.Decls {
		for _, s := range d.(*ast.GenDecl).Specs {
			v := s.(*ast.ValueSpec)
			names[v.Names[0].Name] = value(v.Values[0])
		}
	}
	found := 0
	for _, name := range names {
		base, isQuantile := name, false
		for _, suffix := range []string{"-p10", "-p90"} {
			if b, ok := strings.CutSuffix(name, suffix); ok {
				base, isQuantile = b, true
			}
		}
		ours := strings.Contains(name, "runcast.dev/") || strings.Contains(name, ".io/") && !strings.Contains(name, "node.kubernetes.io/")
		if !ours {
			continue
		}
		found++
		if !strings.Contains(string(page), "`"+base) || isQuantile && !strings.Contains(string(page), "`…-p90`") {
			t.Errorf("annotations.md does not name %s", name)
		}
	}
	if found < 20 {
		t.Errorf("%d names in predictor/jobspec/names.go", found)
	}
}
