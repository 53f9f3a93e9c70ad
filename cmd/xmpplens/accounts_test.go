package main

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := file("list", "# two\r\n\r\njuliet@capulet.example r0m30 with blanks\r\nRomeo@Montague.example\tx\n")
	one, two := file("one", "first\nsecond\n"), file("two", "other")
	for _, c := range []struct {
		jids, files []string
		want        map[string]string
	}{
		{nil, nil, nil},
		{nil, []string{list}, map[string]string{"juliet@capulet.example": "r0m30 with blanks", "romeo@montague.example": "x"}},
		{[]string{"a@b.example"}, []string{one}, map[string]string{"a@b.example": "first"}},
		{[]string{"a@b.example/x", "c@b.example"}, []string{one, two}, map[string]string{"a@b.example": "first", "c@b.example": "other"}},
		{[]string{"romeo@montague.example", "ROMEO@montague.example"}, []string{list}, map[string]string{"romeo@montague.example": "x"}},
	} {
		got, err := (&proxyCmd{Account: c.jids, PasswordFile: c.files}).accounts()
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%v %v: %v, %v", c.jids, c.files, got, err)
		}
	}
}
