package timeline

import (
	"context"
	"errors"

	"github.com/xmpplens/xmpplens/record"
)

// More adds what was put behind the end of a recording by record.Annotate, since
// Run has returned. r is a new reader of the same recording, which the index
// takes over.
func (x *Index) More(ctx context.Context, r *record.Reader) error {
	if !x.Status().Done {
		return errors.Join(errors.New("timeline: the recording is not at its end yet"), r.Close())
	}
	at, err := r.Clone()
	if err != nil {
		return err
	}
	at.Still(true)
	x.look.Lock()
	defer x.look.Unlock()
	before := x.r
	if x.more != nil {
		before = x.more
	}
	if err := r.SeekTo(before.Pos()); err != nil {
		return errors.Join(err, r.Close())
	}
	x.at.Close()
	if x.more != nil {
		x.more.Close()
	}
	x.at, x.more, x.last = at, r, looked{}
	fold := Folder{mute: true, n: x.Status().Len}
	return readAhead(ctx, r, func(evs []placed) {
		x.mu.Lock()
		defer x.mu.Unlock()
		for i := range evs {
			if err := evs[i].err; err != nil {
				x.tell(err)
				continue
			}
			fold.Add(evs[i].ev, evs[i].pos, x.fact)
		}
	})
}
