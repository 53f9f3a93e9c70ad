package record

import (
	"os"
	"path/filepath"
	"testing"
)

// Segments as they were first written stay readable: compressed in one file with
// a plain file that was left when the program was killed, and sets that lost
// their first files to --keep.
func TestGoldenSegments(t *testing.T) {
	const dir = "../testdata/recordings/segments"
	if *update {
		writeGolden(t, dir)
	}
	wantNumbers(t, filepath.Join(dir, "packed.jsonl.zst"), 0, 60)
	for _, name := range []string{"set.jsonl", "set.0002.jsonl.zst", "plain.jsonl", "plain.0002.jsonl"} {
		r := open(t, filepath.Join(dir, name))
		first, next, errs := numbers(t, r)
		if first < 10 || first > 30 || next != 60 || len(errs) > 0 || r.Header().Segment != 2 || r.Header().Carry == 0 {
			t.Errorf("%s: events %d to %d, %v, header %+v", name, first, next, errs, r.Header())
		}
	}
}

func writeGolden(t *testing.T, dir string) {
	t.Helper()
	work := t.TempDir()
	record := func(name string, o Options, during func()) {
		t.Helper()
		o.Tool, o.Carry, o.Now = "golden", newCounter, steady()
		l, err := Create(filepath.Join(work, name), o)
		if err != nil {
			t.Fatal(err)
		}
		fillLog(t, l, 0, 60)
		during()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var open []byte
	record("packed.jsonl.zst", Options{Segment: 5 << 10}, func() { open, _ = os.ReadFile(filepath.Join(work, "packed.jsonl")) })
	record("set.jsonl.zst", Options{RotateSize: 5 << 10, Keep: 2}, func() {})
	record("plain.jsonl", Options{RotateSize: 5 << 10, Keep: 2}, func() {})
	if err := os.WriteFile(filepath.Join(work, "packed.jsonl"), open, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(work)); err != nil {
		t.Fatal(err)
	}
}
