package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
)

// A record is one line of a history; tests/history/record.h tells what the members mean.
type record struct {
	I       uint64  `json:"i"`
	Client  int     `json:"c"`
	Session string  `json:"s"`
	F       string  `json:"f"`
	Key     string  `json:"k"`
	A       operand `json:"a"`
	B       operand `json:"b"`
	T0      int64   `json:"t0"`
	TQ      int64   `json:"tq"`
	T1      int64   `json:"t1"`
	Status  string  `json:"st"`
	Error   string  `json:"e"`
	V       *string `json:"v"`
	N       *int64  `json:"n"`
	Fence   uint64  `json:"fence"`
	Index   uint64  `json:"idx"`
	At      string  `json:"at"`
}

// An operand is a string or a number.
type operand struct {
	Text   string
	Number int64
}

func (o *operand) UnmarshalJSON(from []byte) error {
	if from[0] == '"' {
		return json.Unmarshal(from, &o.Text)
	}
	return json.Unmarshal(from, &o.Number)
}

func (o operand) String() string {
	if o.Text != "" {
		return o.Text
	}
	return fmt.Sprint(o.Number)
}

// answered tells whether the record is an observation: the server answered the question that was
// asked, if only that a condition did not hold.
func (r *record) answered() bool { return r.Status == "ok" || r.Status == "fail" && r.Error == "" }

// unknown tells whether it may have taken effect at any time after t0, or never.
func (r *record) unknown() bool { return r.Status == "info" }

// end is when it has taken effect at the latest.
func (r *record) end() int64 {
	if r.unknown() {
		return math.MaxInt64
	}
	return r.T1
}

// placed is when it was known that nobody who asks later comes before it: an acquire that waits in the
// queue is ahead of all who come after, and whatever has ended is over.
func (r *record) placed() int64 {
	if r.TQ != 0 {
		return r.TQ
	}
	return r.T1
}

// String is for people: the drawing's labels and the violations.
func (r *record) String() string {
	text := fmt.Sprintf("#%d %s", r.I, r.F)
	if r.F == "session_end" {
		return text + " of " + r.Session + " " + r.Status
	}
	text += fmt.Sprintf("(%s", r.Key)
	if r.A != (operand{}) || r.B != (operand{}) {
		text += fmt.Sprintf(", %v, %v", r.A, r.B)
	}
	text += ") " + r.Status
	switch {
	case r.N != nil:
		text += fmt.Sprintf(" %d", *r.N)
	case r.V != nil:
		text += " " + *r.V
	case r.Fence != 0:
		text += fmt.Sprintf(" fence %d", r.Fence)
	case r.Error != "":
		text += " " + r.Error
	}
	return fmt.Sprintf("%s at index %d of %s by client %d session %s", text, r.Index, r.At, r.Client, r.Session)
}

func readHistory(path string) ([]*record, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parseHistory(file)
}

func parseHistory(from io.Reader) ([]*record, error) {
	var records []*record
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 1<<16), 1<<20)
	for number := 1; lines.Scan(); number++ {
		r, err := parseRecord(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		records = append(records, r)
	}
	return records, lines.Err()
}

func parseRecord(line []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, err
	}
	if r.F == "" || r.T0 <= 0 || r.T1 < r.T0 && r.F != "session_end" {
		return nil, fmt.Errorf("no function or no times")
	}
	if r.Status != "ok" && r.Status != "fail" && r.Status != "info" {
		return nil, fmt.Errorf("status %q", r.Status)
	}
	return r, nil
}
