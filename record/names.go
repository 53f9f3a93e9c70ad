package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const zstSuffix = ".zst"

// names are the files of a recording that is kept in segments. Two forms:
//
//   - one file: the closed segments are in s.jsonl.zst, the open one is
//     s.jsonl, and one that waits to be compressed is s.jsonl.7;
//   - a set: s.0001.jsonl, s.0002.jsonl, … or, closed and compressed,
//     s.0001.jsonl.zst.
type names struct {
	plain string // s.jsonl
	zst   bool   // closed segments are compressed
	set   bool
}

func namesOf(path string, set bool) names {
	plain, zst := strings.CutSuffix(path, zstSuffix)
	return names{plain, zst, set}
}

// member is the plain file of a segment of a set.
func (n names) member(number int) string {
	ext := filepath.Ext(n.plain)
	return fmt.Sprintf("%s.%04d%s", strings.TrimSuffix(n.plain, ext), number, ext)
}

// waiting is the plain file of a closed segment that is not compressed yet.
func (n names) waiting(number int) string { return n.plain + "." + strconv.Itoa(number) }

// packed is the file that a compressed segment is in.
func (n names) packed(number int) string {
	if n.set {
		return n.member(number) + zstSuffix
	}
	return n.plain + zstSuffix
}

// memberOf reads the name of a member: the set that it is of, and its number.
func memberOf(path string) (n names, number int, ok bool) {
	plain, zst := strings.CutSuffix(path, zstSuffix)
	ext := filepath.Ext(plain)
	stem := strings.TrimSuffix(plain, ext)
	digits := strings.TrimPrefix(filepath.Ext(stem), ".")
	number, err := strconv.Atoi(digits)
	if err != nil && len(ext) > 4 { // a name without extension: s.0001
		stem, digits, ext = plain, ext[1:], ""
		number, err = strconv.Atoi(digits)
	}
	if err != nil || number < 1 || len(digits) < 4 {
		return names{}, 0, false
	}
	return names{strings.TrimSuffix(stem, "."+digits) + ext, zst, true}, number, true
}

// A found is a segment's files in a directory.
type found struct {
	number int    // 0 = the open one of a single file: its header tells
	plain  string // "" = there is none
	zst    string // of a set; "" = there is none
}

// list finds the segments after a number, in order. The frames in the one .zst
// of a single file are not looked at.
func (n names) list(after int) ([]found, error) {
	dir, base := filepath.Split(n.plain)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil && len(entries) == 0 {
		return nil, err
	}
	by := make(map[int]*found)
	at := func(number int) *found {
		if by[number] == nil {
			by[number] = &found{number: number}
		}
		return by[number]
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(filepath.Dir(n.plain), name)
		if e.IsDir() {
			continue
		}
		if !n.set {
			if name == base {
				at(0).plain = path
			} else if digits, ok := strings.CutPrefix(name, base+"."); ok {
				if number, err := strconv.Atoi(digits); err == nil && number > after {
					at(number).plain = path
				}
			}
			continue
		}
		if m, number, ok := memberOf(name); ok && m.plain == base && number > after {
			if m.zst {
				at(number).zst = path
			} else {
				at(number).plain = path
			}
		}
	}
	out := make([]found, 0, len(by))
	for _, f := range by {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b found) int {
		if a.number == 0 || b.number == 0 { // the open one is the last
			return cmp.Compare(b.number, a.number)
		}
		return cmp.Compare(a.number, b.number)
	})
	return out, nil
}

// all are the files of an earlier recording of this name and form, and what
// would stand in the way of a new one. Other files with names of that kind (a
// date may look like a number) are left out.
func (n names) all() ([]string, error) {
	there, err := n.list(0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := []string{n.plain, n.plain + zstSuffix}
	for _, f := range there {
		if f.number == 0 {
			continue
		}
		if file, h, _, err := openPlain(f.plain); err == nil {
			file.Close()
			if h.Segment == f.number {
				out = append(out, f.plain)
			}
		}
		if segs, _, err := scanFile(f.zst); err == nil && len(segs) > 0 && segs[0].number == f.number {
			out = append(out, f.zst)
		}
	}
	return slices.DeleteFunc(out, func(p string) bool {
		info, err := os.Stat(p)
		return err != nil || !info.Mode().IsRegular()
	}), nil
}
