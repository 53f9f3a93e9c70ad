package replay

import (
	"fmt"
	"os"
)

// inMemory is how many bytes of stanzas are kept in memory; beyond it they go
// to a temporary file.
const inMemory = 8 << 20

// A store keeps the bytes of stanzas. It is filled by one goroutine and then
// read by many.
type store struct {
	mem  []byte
	file *os.File
	size int64 // of the file
}

// add keeps a copy of b and returns where it is.
func (s *store) add(b []byte) (int64, error) {
	if s.file == nil && len(s.mem)+len(b) <= inMemory {
		s.mem = append(s.mem, b...)
		return int64(len(s.mem) - len(b)), nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "xmpplens-replay-*")
		if err != nil {
			return 0, fmt.Errorf("replay: keep the recorded stanzas: %w", err)
		}
		s.file = f
	}
	if _, err := s.file.WriteAt(b, s.size); err != nil {
		return 0, hintf("make room, or choose less with --conn, --from and --to", "replay: keep the recorded stanzas in %s: %w", s.file.Name(), err)
	}
	at := int64(len(s.mem)) + s.size
	s.size += int64(len(b))
	return at, nil
}

// get returns the n bytes at at, which the caller must not change.
func (s *store) get(at int64, n int) ([]byte, error) {
	if at < int64(len(s.mem)) {
		return s.mem[at : at+int64(n)], nil
	}
	b := make([]byte, n)
	if _, err := s.file.ReadAt(b, at-int64(len(s.mem))); err != nil {
		return nil, fmt.Errorf("replay: read the recorded stanzas: %w", err)
	}
	return b, nil
}

func (s *store) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if e := os.Remove(s.file.Name()); err == nil {
		err = e
	}
	return err
}
