package record

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Any bytes as a compressed recording, as its plain rest, and as files of a set:
// reading ends, without panic and without unbounded memory.
func FuzzSegments(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "seed.jsonl.zst")
	l, err := Create(path, Options{Segment: 4 << 10, Now: steady()})
	if err != nil {
		f.Fatal(err)
	}
	fillLog(f, l, 0, 60)
	l.Close()
	packed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	segs, _, err := scanFile(path)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := segs[1].headLines()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed, plain)
	f.Add(packed[:len(packed)/2], plain)
	f.Add(packed, []byte{})
	f.Add([]byte{}, plain)
	f.Add(plain, packed)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00"), []byte(`{"xmpplens":1,"segment":2,"offset":99999999999,"carry":88888888888}`))
	maxUnpacked = 1 << 20
	f.Fuzz(func(t *testing.T, a, b []byte) {
		dir := t.TempDir()
		write := func(name string, b []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("one.jsonl.zst", a)
		write("one.jsonl", b)
		write("one.jsonl.2", b)
		write("set.0001.jsonl.zst", a)
		write("set.0002.jsonl", b)
		write("set.0003.jsonl.zst", b)
		write("set.0003.jsonl", a)
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, name := range []string{"one.jsonl.zst", "one.jsonl", "one.jsonl.2", "set.jsonl", "set.0001.jsonl.zst", "set.0002.jsonl", "set.0003.jsonl"} {
			r, err := Open(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			var pos []int64
			// Every event takes a byte at least, and so does every damage.
			for n := 0; ; n++ {
				_, err := r.Next(context.Background())
				if err != nil {
					if !IsDamage(err) {
						if !errors.Is(err, io.EOF) {
							t.Logf("%s: %v", name, err)
						}
						break
					}
				} else if len(pos) < 1000 {
					pos = append(pos, r.Pos())
				}
				if n > 10*(len(a)+len(b))+1<<20 {
					t.Fatalf("%s: reading does not end", name)
				}
			}
			for i := len(pos) - 1; i >= 0; i -= 1 + len(pos)/20 {
				if err := r.SeekTo(pos[i]); err != nil {
					t.Fatal(err)
				}
				if _, err := r.Next(context.Background()); err != nil && !IsDamage(err) {
					t.Fatalf("%s: the event at %d is gone: %v", name, pos[i], err)
				}
			}
			r.Close()
		}
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<30 {
			t.Errorf("%d bytes were allocated for %d", grown, len(a)+len(b))
		}
	})
}
