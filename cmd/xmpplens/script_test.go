package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"xmpplens": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// The scripts in testdata use the program as a person does.
func TestScripts(t *testing.T) {
	recordings := make(map[string][]byte)
	for _, name := range []string{"v1.jsonl", "demo.jsonl", "bad.jsonl"} {
		b, err := os.ReadFile("../../testdata/recordings/" + name)
		if err != nil {
			t.Fatal(err)
		}
		recordings[name] = b
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/data")
			e.Setenv("TZ", "UTC")
			for name, b := range recordings {
				if err := os.WriteFile(e.WorkDir+"/"+name, b, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
