package timeline

import (
	"context"
	"errors"
	"io"

	"github.com/xmpplens/xmpplens/record"
)

// A Sink takes what reading a recording yields. Only Entry is required.
type Sink struct {
	Entry func(*Entry)
	// Trouble is told of damage, and of a recording that stopped early; the
	// rest is read all the same.
	Trouble func(error)
	// Before is called before the next event is asked for, which may take
	// a while, and Event before one is folded. An error ends the reading.
	Before func() error
	Event  func(record.Event) error
}

// Read folds a recording from where r is. At its end, or when ctx is done, it
// hands out what is left and returns nil; any other error of r is returned as it
// is, and what is left is for Finish.
func (f *Folder) Read(ctx context.Context, r *record.Reader, to Sink) error {
	for {
		if to.Before != nil {
			if err := to.Before(); err != nil {
				return err
			}
		}
		ev, err := r.Next(ctx)
		var torn *record.TornError
		var line *record.LineError
		var stopped *record.StoppedError
		switch {
		case err == nil:
			if to.Event != nil {
				if err := to.Event(ev); err != nil {
					return err
				}
			}
			f.Add(ev, r.Pos(), to.Entry)
		case errors.As(err, &torn), errors.As(err, &line), errors.As(err, &stopped):
			if to.Trouble != nil {
				to.Trouble(err)
			}
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			f.Finish(to.Entry)
			return nil
		default:
			return err
		}
	}
}
