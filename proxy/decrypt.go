package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/xmpplens/xmpplens/proxy/tap"
	"github.com/xmpplens/xmpplens/record"
)

// A Decryption reads the TLS records of a recording whose keys came later:
//
//	var later proxy.Decryption
//	err := later.Scan(ctx, reader, keys.Keys) // which connections were read already
//	later.Before(event, emit)                 // for each event, in their order
//	later.Behind(event, emit)
//	later.Finish(emit)
//
// What it emits has the time of the event that it was made of.
type Decryption struct {
	keys  func(tap.Random) []tap.Key
	read  map[int]bool // connections that were read while they were recorded
	conns map[int]*Reading
	last  record.Event
	Conns int // that have TLS records
}

// Scan reads a whole recording, to know the connections whose TLS was read at the time.
func (d *Decryption) Scan(ctx context.Context, r *record.Reader, keys func(tap.Random) []tap.Key) error {
	d.keys = keys
	d.read, d.conns = make(map[int]bool), make(map[int]*Reading)
	tls := make(map[int]bool)
	for {
		ev, err := r.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			d.Conns = len(tls)
			return nil
		case record.IsDamage(err):
		case err != nil:
			return err
		case ev.E == record.EventTLS:
			tls[ev.C] = true
		case ev.E == record.EventSecure && ev.Leg == record.BothLegs:
			d.read[ev.C] = true
		}
	}
}

// Before emits what has to stand in front of an event: the last words of a connection
// that closes.
func (d *Decryption) Before(ev record.Event, emit func(record.Event)) {
	d.last = ev
	r := d.conns[ev.C]
	if ev.E != record.EventClose || r == nil {
		return
	}
	delete(d.conns, ev.C)
	d.with(r, ev, emit, func() { r.End() })
}

// Behind emits what follows from an event.
func (d *Decryption) Behind(ev record.Event, emit func(record.Event)) {
	if ev.E != record.EventTLS || d.read[ev.C] {
		return
	}
	r := d.conns[ev.C]
	if r == nil {
		r = &Reading{Conn: ev.C, Keys: d.keys}
		d.conns[ev.C] = r
	}
	d.with(r, ev, emit, func() { r.Write(ev.D, ev.Data) })
}

// Finish emits what is left of connections that have no close event.
func (d *Decryption) Finish(emit func(record.Event)) {
	for _, id := range slices.Sorted(maps.Keys(d.conns)) {
		r := d.conns[id]
		delete(d.conns, id)
		d.with(r, d.last, emit, func() { r.End() })
	}
}

func (d *Decryption) with(r *Reading, at record.Event, emit func(record.Event), do func()) {
	r.Emit = func(ev record.Event) {
		ev.T = at.T
		emit(ev)
	}
	do()
}
