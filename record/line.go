package record

// AppendLine appends an event to dst as a line of a recording, its line end
// included.
func AppendLine(dst []byte, ev *Event) []byte {
	start := len(dst)
	dst = appendEvent(dst, ev)
	unused := putTime(dst[start:], ev.T)
	return append(dst[:start], dst[start+unused:]...)
}

// ParseLine reads a line that AppendLine wrote. What it returns may alias line.
func ParseLine(line []byte) (Event, error) {
	var ev Event
	err := parseEvent(line, &ev)
	return ev, err
}

// AppendHeader appends the first line of a recording.
func AppendHeader(dst []byte, h Header) []byte { return appendHeader(dst, h) }

// ParseHeader reads the first line of a recording.
func ParseHeader(line []byte) (Header, error) { return parseHeader(line) }
