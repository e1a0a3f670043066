package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// The Dockerfile makes the image that this program makes: the same build by the module's
// version of Go, the same user and entrypoint. What it copies is there. Nothing here
// pulls its images or runs it.
func TestDockerfile(t *testing.T) {
	const root = "../.."
	f, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	image, err := assembled(t).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	compiler := "golang:" + string(regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1])

	var from []string
	built := "" // by go build
	last := map[string][]string{}
	for _, line := range file.AST.Children {
		var args []string
		for n := line.Next; n != nil; n = n.Next {
			args = append(args, n.Value)
		}
		last[strings.ToUpper(line.Value)] = args
		switch {
		case strings.EqualFold(line.Value, "from"):
			from = append(from, args[0])
			if _, err := name.ParseReference(args[0], name.WithDefaultTag("")); err != nil {
				t.Errorf("%s: %v", line.Original, err)
			}
		case strings.EqualFold(line.Value, "copy") && len(line.Flags) == 0:
			for _, source := range args[:len(args)-1] {
				if _, err := os.Stat(filepath.Join(root, source)); err != nil {
					t.Errorf("%s: %v", line.Original, err)
				}
			}
		case strings.EqualFold(line.Value, "copy"):
			if want := []string{built, image.Config.Entrypoint[0]}; !slices.Equal(args, want) {
				t.Errorf("%s: expected to copy %s", line.Original, want)
			}
		case strings.EqualFold(line.Value, "entrypoint") && !line.Attributes["json"]:
			t.Errorf("%s: expected a JSON list: there is no shell", line.Original)
		case strings.EqualFold(line.Value, "run") && strings.Contains(args[0], "go build"):
			words := goArguments(t, args[0])
			built = words[slices.Index(words, "-o")+1]
			if want := slices.Insert(buildArgs(built), 0, "CGO_ENABLED=0"); !slices.Equal(words, want) {
				t.Errorf("%s: expected %q", line.Original, want)
			}
		}
	}
	if len(from) != 2 || from[0] != compiler {
		t.Errorf("from %s, expected %s first", from, compiler)
	}
	if built == "" || !slices.Equal(last["ENTRYPOINT"], image.Config.Entrypoint) || !slices.Equal(last["USER"], []string{image.Config.User}) {
		t.Errorf("%s is built, the entrypoint %s, the user %s; expected %s, %s", built, last["ENTRYPOINT"], last["USER"], image.Config.Entrypoint, image.Config.User)
	}
}

// goArguments are what a shell would give go, behind the setting of CGO_ENABLED.
func goArguments(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `go() { printf '%s\n' "CGO_ENABLED=$CGO_ENABLED" "$@"; }; `+command).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
