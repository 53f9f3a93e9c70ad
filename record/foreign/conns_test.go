package foreign

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/xmpplens/xmpplens/record"
)

// TestManyConnections has more connections than are kept at a time.
func TestManyConnections(t *testing.T) {
	var b []byte
	b = append(b, pcapOf(layers.LinkTypeRaw)...)
	const more = 10
	for i := range MaxConns + more {
		w := newWire(fmt.Sprintf("10.%d.%d.1:40000", i/256, i%256), "192.0.2.2:5222")
		w.send(0, layers.TCP{SYN: true}, "")
		w.send(0, layers.TCP{ACK: true}, clientHeader)
		b = append(b, pcapOf(layers.LinkTypeRaw, w.packets...)[24:]...)
	}
	var closed int
	path := filepath.Join(t.TempDir(), "c.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := Read(context.Background(), path, Options{}, func(_ time.Time, ev record.Event) error {
		if ev.E == record.EventClose && ev.Error != "" {
			closed++
		}
		return nil
	})
	if err != nil || sum.Conns != MaxConns+more || closed != more || !slices.Contains(sum.Skipped, "10 connections ended early: there were more than 50000 at a time") {
		t.Errorf("%v: %d connections, %d ended early, %q", err, sum.Conns, closed, sum.Skipped)
	}
}
