package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/xmpplens/xmpplens/"

// mayImport is the layout: which of the module's packages a package may import.
// A name that ends in /... stands for it and everything below. What is missing
// here may import nothing of the module.
var mayImport = map[string][]string{
	"decode/stanza":       {"decode", "decode/xep"},
	"decode/track":        {"decode", "decode/stanza", "decode/xep"},
	"decode/filter":       {"decode", "decode/stanza", "decode/track"},
	"record/timeline":     {"record", "decode/..."},
	"record/recordtest":   {"record"},
	"record/export":       {"record", "record/timeline", "decode/..."},
	"record/foreign":      {"record", "decode/...", "proxy/websocket"},
	"record/redact":       {"record", "record/timeline", "decode/..."},
	"record/diff":         {"record", "record/timeline", "decode/..."},
	"proxy/session":       {"record", "decode", "decode/stanza", "proxy/websocket"},
	"proxy/rule":          {"decode", "decode/filter", "decode/stanza", "decode/track", "proxy/session", "record"},
	"proxy/rule/script":   {"decode", "decode/filter", "decode/stanza", "proxy/rule", "proxy/session", "record"},
	"proxy":               {"proxy/session", "proxy/rule", "proxy/mitmca", "proxy/tap", "proxy/websocket", "record"},
	"proxy/replay":        {"record", "record/timeline", "decode/..."},
	"proxy/proxytest":     {"proxy/mitmca"},
	"web":                 {"record/timeline", "record/diff", "decode/..."},
	"cmd/xmpplens":        {"decode/...", "record/...", "proxy/...", "web", "testdata/recordings"},
	"testdata/recordings": {},
}

// testsMayImport adds what only tests need.
var testsMayImport = map[string][]string{
	"proxy":           {"proxy/proxytest"},
	"record/timeline": {"record/recordtest"},
	"web":             {"record", "record/recordtest", "proxy/proxytest"},
	"record/foreign":  {"record/timeline"},
	"proxy/session":   {},
	"record/export":   {"proxy/proxytest"},
	"proxy/replay":    {"proxy/proxytest"},
}

// onlyCmd are libraries of the command line, which no other package may use.
var onlyCmd = []string{"github.com/alecthomas/kong", "github.com/fatih/color"}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	packages := 0
	for {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		name := strings.TrimPrefix(p.ImportPath, module)
		check(t, name, p.Imports, mayImport[name])
		check(t, name, append(p.TestImports, p.XTestImports...), slices.Concat(mayImport[name], testsMayImport[name], []string{name}))
	}
	if packages < 10 {
		t.Errorf("only %d packages were looked at", packages)
	}
}

func check(t *testing.T, name string, imports, allowed []string) {
	t.Helper()
	for _, imported := range imports {
		if slices.Contains(onlyCmd, imported) && name != "cmd/xmpplens" {
			t.Errorf("%s imports %s: only the command line may", name, imported)
		}
		own, ok := strings.CutPrefix(imported, module)
		if ok && !slices.ContainsFunc(allowed, func(a string) bool {
			if base, below := strings.CutSuffix(a, "/..."); below {
				return own == base || strings.HasPrefix(own, base+"/")
			}
			return own == a
		}) {
			t.Errorf("%s may not import %s", name, own)
		}
	}
}

func TestImportsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, imported string
	}{{"decode", module + "record"}, {"record", module + "decode"}, {"web", module + "proxy"}, {"web", "github.com/fatih/color"}, {"decode/stanza", module + "record/timeline"}} {
		var probe testing.T
		check(&probe, c.name, []string{c.imported}, mayImport[c.name])
		if !probe.Failed() {
			t.Errorf("%s imports %s and nobody minds", c.name, c.imported)
		}
	}
}
