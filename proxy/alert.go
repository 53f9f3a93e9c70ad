package proxy

import "time"

// crypto/tls has no way to send a fatal alert but to be given something that is
// worth one. So the leg's TLS layer is told that a record came which is not
// authentic: it sends bad_record_mac (RFC 8446 §6.2) and gives up.

// noRecord looks like a record of application data, and is long enough for any
// cipher suite.
var noRecord = append([]byte{0x17, 3, 3, 0, 64}, make([]byte, 64)...)

// alert sends a fatal TLS alert to the peer. It reports false when the leg has no
// TLS. The leg is of no use then but to be closed.
func (l *leg) alert() bool {
	l.wmu.Lock()
	tc, s := l.tls, l.socket.Load()
	l.wmu.Unlock()
	if tc == nil || s == nil {
		return false
	}
	s.bad.Store(true)
	// Whoever reads now is woken; who comes first, there or here, finds it.
	s.conn.SetReadDeadline(time.Now())
	var b [4096]byte
	for range 100 { // what was read before may still be there
		if _, err := tc.Read(b[:]); err != nil && err != (wouldBlock{}) {
			return true
		}
	}
	return true
}
