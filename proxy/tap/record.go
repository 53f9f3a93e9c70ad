package tap

import "encoding/binary"

// Content types (RFC 8446 §5.1).
const (
	typeCCS       = 20
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

const (
	version12 = 0x0303
	version13 = 0x0304

	headerSize  = 5
	maxRecord   = 16384 + 2048 // what RFC 5246 §6.2.3 allows a protected record
	maxHandsize = 256 << 10    // bytes of one handshake message; certificates make them long
)

// take cuts the next record, with its header, off b. It keeps the beginning of
// one and returns nil then. The record is valid until the next call.
func (h *half) take(b []byte) (record, rest []byte, err error) {
	if len(h.buf) == 0 {
		n, err := size(b)
		if err != nil {
			return nil, nil, err
		}
		if n > 0 && len(b) >= n {
			h.buf = nil
			return b[:n:n], b[n:], nil
		}
		h.buf = append(h.buf[:0], b...)
		return nil, nil, nil
	}
	for {
		n, err := size(h.buf)
		if err != nil {
			return nil, nil, err
		}
		if n == 0 {
			n = headerSize
		} else if len(h.buf) >= n {
			record, h.buf = h.buf[:n:n], nil
			return record, b, nil
		}
		if len(b) == 0 {
			return nil, nil, nil
		}
		k := min(n-len(h.buf), len(b))
		h.buf = append(h.buf, b[:k]...)
		b = b[k:]
	}
}

// size returns how long the record is that b begins with; 0 when more of b has
// to be seen.
func size(b []byte) (int, error) {
	if len(b) > 0 && (b[0] < typeCCS || b[0] > typeData) || len(b) > 1 && b[1] != 3 {
		return 0, ErrNotTLS
	}
	if len(b) < headerSize {
		return 0, nil
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	if n > maxRecord {
		return 0, ErrNotTLS
	}
	return headerSize + n, nil
}

// read reads a whole record. It reports false when something is missing for
// that which may still come; nothing has changed then.
func (d *Decrypter) read(from Side, r []byte) (bool, error) {
	h := &d.half[from]
	if from == Server && d.hs == nil {
		return false, nil // the client's words are not seen yet
	}
	switch h.stage {
	case clear:
		return d.readClear(from, r)
	case traffic12:
		return d.read12(from, r)
	}
	return d.read13(from, r)
}

func (d *Decrypter) readClear(from Side, r []byte) (bool, error) {
	h := &d.half[from]
	payload := r[headerSize:]
	switch r[0] {
	case typeHandshake:
		return true, d.messages(from, payload)
	case typeAlert:
		d.alert(from, payload)
		return true, nil
	case typeCCS:
		if d.hs == nil {
			return true, ErrHandshake
		}
		switch {
		case d.hs.retry:
			// TLS 1.3, and the second ClientHello stands behind it.
		case d.hs.version == 0:
			return false, nil // which TLS is it? The server will tell
		case d.hs.version == version12:
			h.stage, h.hs, h.key = traffic12, d.hs, key{}
		}
		// In TLS 1.3 it means nothing (RFC 8446 §D.4).
		return true, nil
	}
	// The first protected record of TLS 1.3.
	hs := d.hs
	switch {
	case hs == nil:
		return true, ErrNotTLS
	case from == Client && hs.retry:
		return true, nil // early data in front of the second ClientHello: refused (RFC 8446 §4.2.10)
	case hs.version == 0:
		return false, nil
	case hs.version != version13:
		return true, ErrNotTLS
	}
	h.hs, h.stage = hs, hands
	if from == Client && hs.early {
		h.stage, h.skips = early, true
	}
	return d.read13(from, r)
}

// protect makes the key of a stage, when its secrets are there. Those of both
// sides have to be, or one side would be handed out before the other that spoke
// first; only in the end half is better than nothing.
func (d *Decrypter) protect(from Side, mine, other Label) (bool, error) {
	h := &d.half[from]
	s := d.keys[h.hs.random]
	if s == nil || s[mine] == nil || s[other] == nil && !d.ended {
		d.ask(h.hs)
		return false, nil
	}
	k, err := h.hs.suite.key13(s[mine])
	if err != nil {
		return true, err
	}
	h.key = k
	if h.stage == traffic && h.hs.finished[Server] {
		// Not before: the exporter's secret is logged with these.
		d.secure(h.hs)
	}
	return true, nil
}

// ask tells once that secrets are missing.
func (d *Decrypter) ask(hs *handshake) {
	if !hs.asked {
		hs.asked = true
		d.tell(Event{Kind: Waiting, Random: hs.random, Session: hs.session()})
	}
}

// read13 reads a record that TLS 1.3 protects.
func (d *Decrypter) read13(from Side, r []byte) (bool, error) {
	h := &d.half[from]
	switch {
	case r[0] == typeCCS:
		return true, nil
	case r[0] == typeAlert && len(r) == headerSize+2:
		d.alert(from, r[headerSize:]) // from a side that has no keys yet
		return true, nil
	case r[0] != typeData:
		return true, ErrHandshake
	}
	if h.stage == early {
		if !h.hs.finished[Server] && !d.ended {
			return false, nil // the server tells whether it accepts early data, and who it is
		}
		if done, err := d.readEarly(h, r); done || err != nil {
			return true, err
		}
		h.stage, h.key = hands, key{}
	}
	if h.key.aead == nil {
		mine, other := ClientHandshake, ServerHandshake
		if h.stage == traffic {
			mine, other = ClientTraffic, ServerTraffic
		}
		if from == Server {
			mine, other = other, mine
		}
		if ok, err := d.protect(from, mine, other); !ok || err != nil {
			return ok, err
		}
	}
	typ, plain, err := d.open13(from, &h.key, r)
	if err == ErrDecrypt && h.skips && h.stage == hands && h.key.seq == 0 {
		return true, nil // early data that was refused, or whose secret is not known
	}
	if err != nil {
		return true, err
	}
	return true, d.content(from, typ, plain)
}

// readEarly reads 0-RTT data. done is false where the record is not of it.
func (d *Decrypter) readEarly(h *half, r []byte) (done bool, err error) {
	if h.key.aead == nil {
		s := d.keys[h.hs.random]
		if !h.hs.earlyOK {
			d.notice("the server did not accept the client's early data (0-RTT)")
			return false, nil
		}
		if s == nil || s[EarlyTraffic] == nil {
			d.notice("early data (0-RTT) of the client cannot be read: there is no %s in the key log", EarlyTraffic)
			return false, nil
		}
		d.notice("early data (0-RTT) of the client was accepted: whoever recorded it can play it back (RFC 8446 §8)")
		if h.key, err = h.hs.suite.key13(s[EarlyTraffic]); err != nil {
			return false, err
		}
	}
	typ, plain, err := d.open13(Client, &h.key, r)
	if err == ErrDecrypt {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, d.content(Client, typ, plain)
}

// content takes what was protected. Handshake messages may change the keys of
// the records that follow.
func (d *Decrypter) content(from Side, typ byte, plain []byte) error {
	switch typ {
	case typeData:
		d.said(from, plain)
	case typeAlert:
		d.alert(from, append([]byte(nil), plain...))
	case typeHandshake:
		return d.messages(from, append([]byte(nil), plain...))
	}
	return nil
}

// room returns space behind the plaintext that was gathered, for a record.
func (d *Decrypter) room(from Side) []byte {
	if d.n > 0 && (d.from != from || plainSize-d.n < maxRecord) {
		d.flush()
	}
	if d.plain == nil {
		d.plain = plains.Get().(*[plainSize]byte)
	}
	return d.plain[d.n:d.n]
}

// said gathers plaintext that stands in the room of room.
func (d *Decrypter) said(from Side, plain []byte) {
	if len(plain) == 0 {
		return
	}
	if hs := d.half[from].hs; !hs.told {
		// It waits until who speaks is told.
		copied := append([]byte(nil), plain...)
		d.secure(hs)
		copy(d.room(from)[:len(copied)], copied)
		plain = copied
	}
	d.from = from
	d.n += len(plain)
}

// open13 takes the protection off a record (RFC 8446 §5.2). The plaintext
// stands in room.
func (d *Decrypter) open13(from Side, k *key, r []byte) (typ byte, plain []byte, err error) {
	if len(r) < headerSize+k.aead.Overhead()+1 {
		return 0, nil, ErrDecrypt
	}
	plain, err = k.aead.Open(d.room(from), k.nonce13(), r[headerSize:], r[:headerSize])
	if err != nil {
		return 0, nil, ErrDecrypt
	}
	k.seq++
	for i := len(plain) - 1; i >= 0; i-- {
		if plain[i] != 0 {
			return plain[i], plain[:i], nil
		}
	}
	return 0, nil, ErrHandshake // only padding (§5.4)
}

// read12 reads a record behind ChangeCipherSpec of TLS 1.2.
func (d *Decrypter) read12(from Side, r []byte) (bool, error) {
	h := &d.half[from]
	if h.key.aead == nil {
		s := d.keys[h.hs.random]
		if s == nil || s[Master] == nil {
			d.ask(h.hs)
			return false, nil
		}
		k, err := h.hs.key12(from, s[Master])
		if err != nil {
			return true, err
		}
		h.key = k
	}
	plain, err := d.open12(from, &h.key, r)
	if err != nil {
		return true, err
	}
	if r[0] == typeCCS { // the end of a renegotiation
		if d.hs != h.hs && d.hs.version == version12 {
			h.hs, h.key = d.hs, key{}
			d.gates++
		}
		return true, nil
	}
	return true, d.content(from, r[0], plain)
}

// open12 takes the protection off a record (RFC 5246 §6.2.3.3, RFC 5288,
// RFC 7905 §2).
func (d *Decrypter) open12(from Side, k *key, r []byte) ([]byte, error) {
	body := r[headerSize:]
	var nonce []byte
	if k.explicit {
		if len(body) < 8 {
			return nil, ErrDecrypt
		}
		copy(k.buf[:4], k.iv[:4])
		copy(k.buf[4:], body[:8])
		nonce, body = k.buf[:], body[8:]
	} else {
		nonce = k.nonce13()
	}
	n := len(body) - k.aead.Overhead()
	if n < 0 {
		return nil, ErrDecrypt
	}
	binary.BigEndian.PutUint64(k.ad[:], k.seq)
	copy(k.ad[8:], r[:3])
	binary.BigEndian.PutUint16(k.ad[11:], uint16(n))
	plain, err := k.aead.Open(d.room(from), nonce, body, k.ad[:])
	if err != nil {
		return nil, ErrDecrypt
	}
	k.seq++
	return plain, nil
}
