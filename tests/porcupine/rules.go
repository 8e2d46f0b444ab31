package main

import (
	"fmt"
	"sort"
)

// What needs no search: rules over the whole history, each in the time of a sort.

// findings keep a rule that is broken often from filling the screen.
type findings struct {
	rule  string
	texts []string
	more  int
}

func (f *findings) add(format string, arguments ...interface{}) {
	if len(f.texts) < 5 {
		f.texts = append(f.texts, f.rule+": "+fmt.Sprintf(format, arguments...))
	} else {
		f.more++
	}
}

func (f *findings) list() []string {
	if f.more > 0 {
		return append(f.texts, fmt.Sprintf("%s: %d more", f.rule, f.more))
	}
	return f.texts
}

// inRealTime calls `judge` for every record with the record of the highest `value` among those that
// were over, as `over` tells, before it began.
func inRealTime(records []*record, over func(*record) int64, value func(*record) uint64, judge func(before, after *record)) {
	begun := append([]*record(nil), records...)
	ended := append([]*record(nil), records...)
	sort.SliceStable(begun, func(i, j int) bool { return begun[i].T0 < begun[j].T0 })
	sort.SliceStable(ended, func(i, j int) bool { return over(ended[i]) < over(ended[j]) })
	var highest *record
	at := 0
	for _, r := range begun {
		for ; at < len(ended) && over(ended[at]) < r.T0; at++ {
			if highest == nil || value(ended[at]) > value(highest) {
				highest = ended[at]
			}
		}
		if highest != nil {
			judge(highest, r)
		}
	}
}

// checkIndexes: whatever began after another operation had ended, on whatever key, happened at a log
// index not below it. A stale read shows here even if nobody wrote its key meanwhile.
func checkIndexes(records []*record) []string {
	found := findings{rule: "log index goes back in real time"}
	var indexed []*record
	for _, r := range records {
		if r.answered() && r.Index != 0 {
			indexed = append(indexed, r)
		}
	}
	end := func(r *record) int64 { return r.T1 }
	index := func(r *record) uint64 { return r.Index }
	inRealTime(indexed, end, index, func(before, after *record) {
		if after.Index < before.Index {
			found.add("%v had ended before %v", before, after)
		}
	})
	return found.list()
}

// checkFences: a fence is given once in the whole cluster, and those of a lock rise in the order in which
// it was asked for, as far as that can be told from outside: who was told that it waits is granted before
// whoever asked after that, unless its wait ends without a grant.
func checkFences(records []*record) []string {
	found := findings{rule: "fences"}
	given := map[uint64]*record{}
	grants := map[string][]*record{}
	for _, r := range records {
		if r.F != "lock_acquire" || r.Status != "ok" {
			continue
		}
		if r.Fence == 0 {
			found.add("a grant without one: %v", r)
		}
		if other := given[r.Fence]; other != nil {
			found.add("given twice: %v and %v", other, r)
		}
		given[r.Fence] = r
		grants[r.Key] = append(grants[r.Key], r)
	}
	fence := func(r *record) uint64 { return r.Fence }
	for _, list := range grants {
		inRealTime(list, (*record).placed, fence, func(before, after *record) {
			if after.Fence <= before.Fence {
				found.add("%v had its place before %v was asked for", before, after)
			}
		})
	}
	return found.list()
}

// checkLeases: a session ends late, never early. The earliest end, t0, is a lease after the last
// operation that was answered within it.
func checkLeases(records []*record) []string {
	found := findings{rule: "leases"}
	for _, r := range records {
		if r.F == "session_end" && !r.unknown() && r.T1 < r.T0 {
			found.add("%d ms too early: %v", (r.T0-r.T1)/1e6, r)
		}
	}
	return found.list()
}

// checkLogs: of the sets that are only added to, the read at the end has every value whose add was
// acknowledged, none that was refused or that nobody added, and each once.
func checkLogs(records []*record) []string {
	found := findings{rule: "values added once"}
	added := map[string]map[string]*record{}
	elements := map[string]map[string]int{}
	scanned := map[string]int64{}
	for _, r := range records {
		switch {
		case r.F == "log_add":
			if added[r.Key] == nil {
				added[r.Key] = map[string]*record{}
			}
			added[r.Key][r.A.Text] = r
		case r.F == "log_element" && r.Status == "ok":
			if elements[r.Key] == nil {
				elements[r.Key] = map[string]int{}
			}
			elements[r.Key][r.A.Text]++
		case r.F == "log_scan" && r.Status == "ok" && r.N != nil:
			scanned[r.Key] = *r.N
		}
	}
	for key, values := range added {
		if _, there := scanned[key]; !there {
			found.add("%s was not read at the end", key)
			continue
		}
		for value, r := range values {
			count := elements[key][value]
			switch {
			case r.Status == "ok" && count == 0:
				found.add("acknowledged, then lost: %v", r)
			case r.Status == "fail" && count != 0:
				found.add("refused, but there: %v", r)
			case count > 1:
				found.add("there %d times: %v", count, r)
			case r.Status == "ok" && (r.N == nil || *r.N != 1):
				found.add("the first add of a value says that it was there: %v", r)
			}
		}
	}
	for key, values := range elements {
		for value := range values {
			if added[key][value] == nil {
				found.add("%s has %s, which nobody added", key, value)
			}
		}
	}
	return found.list()
}

// checkSums: a counter that only additions were made to holds in the end the sum of those that were
// acknowledged, and of some of those whose outcome is unknown.
func checkSums(records []*record) []string {
	type counter struct {
		sum     int64
		unknown []int64
		other   bool    // it was also set
		ended   int64   // when the last addition was answered
		last    *record // the read that began last
	}
	found := findings{rule: "sums of counters"}
	counters := map[string]*counter{}
	for _, r := range records {
		if r.F != "counter_add" && r.F != "counter_get" && r.F != "counter_cas" {
			continue
		}
		c := counters[r.Key]
		if c == nil {
			c = &counter{}
			counters[r.Key] = c
		}
		switch {
		case r.F == "counter_cas":
			c.other = true
		case r.F == "counter_get" && r.Status == "ok":
			if c.last == nil || r.T0 > c.last.T0 {
				c.last = r
			}
		case r.F == "counter_add" && r.Status == "ok":
			c.sum += r.A.Number
		case r.F == "counter_add" && r.unknown():
			c.unknown = append(c.unknown, r.A.Number)
		}
		if r.F == "counter_add" && !r.unknown() && r.T1 > c.ended {
			c.ended = r.T1
		}
	}
	for key, c := range counters {
		switch {
		case c.other:
		case c.last == nil || c.last.T0 < c.ended:
			found.add("%s was not read at the end", key)
		case !isSumOfSome(*c.last.N-c.sum, c.unknown):
			found.add("%s holds %d in the end; %d were acknowledged, and perhaps some of %v",
				key, *c.last.N, c.sum, c.unknown)
		}
	}
	return found.list()
}

func isSumOfSome(wanted int64, numbers []int64) bool {
	sums := map[int64]bool{0: true}
	for _, number := range numbers {
		next := map[int64]bool{}
		for sum := range sums {
			next[sum], next[sum+number] = true, true
		}
		sums = next
	}
	return sums[wanted]
}
