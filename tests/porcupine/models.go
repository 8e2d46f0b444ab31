package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// The models: what one key does when operations happen one at a time. An operation whose outcome is
// unknown fits every state and takes effect where it can; the search may also put it behind all others,
// where it changes nothing that anybody saw.
//
// Every state has the log positions seen so far. A write's index is never below that of an earlier
// write (several share an entry), and above what an earlier read saw, for a read sees whole entries.

type positions struct{ wrote, read uint64 }

func (p positions) step(r *record, write bool) (bool, positions) {
	switch {
	case r.Index == 0:
		return true, p
	case write:
		good := r.Index >= p.wrote && r.Index > p.read
		p.wrote = r.Index
		return good, p
	default:
		good := r.Index >= p.wrote && r.Index >= p.read
		p.read = r.Index
		return good, p
	}
}

// ---- maps ----

type mapState struct {
	present bool
	value   string
	positions
}

func (s mapState) String() string {
	if !s.present {
		return "-"
	}
	return s.value
}

// saw tells whether the record's value is the state's.
func (s mapState) saw(r *record) bool {
	return r.unknown() || s.present == (r.V != nil) && (r.V == nil || *r.V == s.value)
}

func mapStep(s mapState, r *record) (bool, mapState) {
	matched := s.present && s.value == r.A.Text // a condition on the value
	next := s
	good := true
	switch r.F {
	case "map_get":
		good = s.saw(r)
	case "map_put":
		good = s.saw(r)
		next.present, next.value = true, r.A.Text
	case "map_put_if_absent":
		good = s.saw(r)
		if !s.present {
			next.present, next.value = true, r.A.Text
		}
	case "map_remove":
		good = s.saw(r)
		next.present, next.value = false, ""
	case "map_replace_if", "map_remove_if":
		good = r.unknown() || matched == (r.Status == "ok")
		if matched {
			next.present, next.value = r.F == "map_replace_if", r.B.Text
		}
	default:
		good = false
	}
	inOrder, at := s.positions.step(r, r.F != "map_get")
	next.positions = at
	return good && inOrder, next
}

// ---- counters ----

type counterState struct {
	number int64
	positions
}

func (s counterState) String() string { return fmt.Sprint(s.number) }

func counterStep(s counterState, r *record) (bool, counterState) {
	next := s
	good := true
	switch r.F {
	case "counter_get":
		good = r.N != nil && *r.N == s.number
	case "counter_add":
		next.number += r.A.Number
		good = r.unknown() || r.N != nil && *r.N == next.number
	case "counter_cas":
		good = r.unknown() || (s.number == r.A.Number) == (r.Status == "ok")
		if s.number == r.A.Number {
			next.number = r.B.Number
		}
	default:
		good = false
	}
	inOrder, at := s.positions.step(r, r.F != "counter_get")
	next.positions = at
	return good && inOrder, next
}

// ---- sets: one element of one set ----

type setState struct {
	present bool
	positions
}

func (s setState) String() string { return fmt.Sprint(s.present) }

// set_add says whether it is new, set_remove and set_contains whether it was there.
func setStep(s setState, r *record) (bool, setState) {
	next := s
	said := r.N != nil && *r.N != 0
	good := true
	switch r.F {
	case "set_contains":
		good = said == s.present
	case "set_add":
		good = r.unknown() || said != s.present
		next.present = true
	case "set_remove":
		good = r.unknown() || said == s.present
		next.present = false
	default:
		good = false
	}
	inOrder, at := s.positions.step(r, r.F != "set_contains")
	next.positions = at
	return good && inOrder, next
}

// ---- locks ----

// sessionSet has room for the sessions that work on one lock in its time; comparable, as states must be.
type sessionSet [8]uint64

func (s sessionSet) has(session int) bool { return s[session/64]&(1<<(session%64)) != 0 }

func (s sessionSet) with(session int) sessionSet {
	s[session/64] |= 1 << (session % 64)
	return s
}

type lockState struct {
	holder int    // session number from 1; 0 = free
	fence  uint64 // of the holder; 0 = not known
	last   uint64 // highest fence that was seen
	ended  sessionSet
	positions
}

func (s lockState) String() string {
	if s.holder == 0 {
		return "free"
	}
	return fmt.Sprintf("held by %d, fence %d", s.holder, s.fence)
}

// A lockInput is a record with its session as a small number.
type lockInput struct {
	*record
	session int
}

func lockStep(s lockState, r lockInput) (bool, lockState) {
	next := s
	good := true
	mine := s.holder == r.session
	switch r.F {
	case "lock_acquire":
		switch {
		case r.Status == "ok":
			good = s.holder == 0 && !s.ended.has(r.session) && r.Fence > s.last
			next.holder, next.fence, next.last = r.session, r.Fence, r.Fence
		case r.Status == "fail":
			good = s.holder != 0 // held when the wait was over, or at once
		case s.holder == 0 && !s.ended.has(r.session):
			next.holder, next.fence = r.session, 0
		}
	case "lock_release":
		held := mine && (s.fence == uint64(r.A.Number) || s.fence == 0)
		good = r.unknown() || held == (r.Status == "ok")
		if held {
			next.holder, next.fence = 0, 0
		}
	case "session_end":
		next.ended = s.ended.with(r.session)
		if mine {
			next.holder, next.fence = 0, 0
		}
	default:
		good = false
	}
	inOrder, at := s.positions.step(r.record, true)
	next.positions = at
	return good && inOrder, next
}

// ---- as Porcupine wants them ----

type stepper[S comparable, I any] func(S, I) (bool, S)

func modelOf[S interface {
	comparable
	String() string
}, I interface{ String() string }](step stepper[S, I]) porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} { var empty S; return empty },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			good, next := step(state.(S), input.(I))
			return good, next
		},
		Equal:             func(a, b interface{}) bool { return a.(S) == b.(S) },
		DescribeOperation: func(input, _ interface{}) string { return input.(I).String() },
		DescribeState:     func(state interface{}) string { return state.(S).String() },
	}
}

var models = map[string]porcupine.Model{
	"map":     modelOf[mapState, *record](mapStep),
	"counter": modelOf[counterState, *record](counterStep),
	"set":     modelOf[setState, *record](setStep),
	"lock":    modelOf[lockState, lockInput](lockStep),
}
