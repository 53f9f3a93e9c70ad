package rule

import (
	"sync"
	"testing"
)

// Whoever changes rules at the same time, what is told last is what is so.
func TestSetChanged(t *testing.T) {
	var s Set
	for _, name := range []string{"a", "b"} {
		r, err := Pause(name, "message")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add("test", r); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	var mu sync.Mutex // of told: without the Set's own order the calls overlap
	s.Changed = func(on int) { mu.Lock(); defer mu.Unlock(); told = on }
	for i := range 20_000 {
		var wg sync.WaitGroup
		wg.Go(func() { s.Switch("a", i%2 == 0) })
		wg.Go(func() { s.Switch("b", i%2 == 1) })
		wg.Wait()
		if on := s.On(); told != on {
			t.Fatalf("change %d: told of %d, %d are on", i, told, on)
		}
	}
}
