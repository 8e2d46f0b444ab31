package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A history is told as a list of lines: "T0 T1 C F K STATUS [FIELD=VALUE…]", strings without quotes.
func told(t *testing.T, story string) []*record {
	t.Helper()
	var lines []string
	for i, line := range strings.Split(strings.TrimSpace(story), "\n") {
		words := strings.Fields(line)
		if len(words) < 6 {
			t.Fatalf("a line of the story: %q", line)
		}
		text := fmt.Sprintf(`{"i":%d,"t0":%s,"t1":%s,"c":%s,"f":"%s","k":"%s","st":"%s"`,
			i, words[0], words[1], words[2], words[3], words[4], words[5])
		for _, word := range words[6:] {
			name, value, _ := strings.Cut(word, "=")
			quoted := name == "s" || name == "v" || name == "e" ||
				(name == "a" || name == "b") && (value[0] < '0' || value[0] > '9') && value[0] != '-'
			if quoted && value != "null" {
				value = `"` + value + `"`
			}
			text += fmt.Sprintf(`,"%s":%s`, name, value)
		}
		lines = append(lines, text+`,"at":"node"}`)
	}
	records, err := parseHistory(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

var histories = []struct {
	name  string
	wrong string // what the violation says; "" = there must be none
	story string
}{
	{"a_map_that_works", "", `
		1 2 0 map_put k ok a=x v=null idx=1
		3 4 1 map_get k ok v=x idx=1
		3 9 0 map_replace_if k ok a=x b=y idx=2
		5 6 1 map_get k ok v=y idx=2
		7 8 1 map_replace_if k fail a=x b=z idx=3
		10 11 1 map_put_if_absent k fail a=w v=y idx=4
		12 13 0 map_remove_if k ok a=y idx=5
		14 15 0 map_get k ok v=null idx=5`},
	{"an_unknown_write_may_be_seen_or_not", "", `
		1 2 0 map_put k ok a=x v=null
		3 4 0 map_put k info a=y e=ETIMEOUT
		5 6 1 map_get k ok v=x
		7 8 1 map_get k ok v=y
		9 10 2 map_remove k info e=EUNKNOWN
		11 12 1 map_get k ok v=y`},
	{"a_refused_write_did_nothing", "", `
		1 2 0 map_put k ok a=x v=null
		3 4 0 map_put k fail a=y e=ENOSPC
		5 6 1 map_get k ok v=x`},
	{"a_refused_write_that_is_seen", "map k: cannot be explained", `
		1 2 0 map_put k ok a=x v=null
		3 4 0 map_put k fail a=y e=ENOSPC
		5 6 1 map_get k ok v=y`},
	{"a_stale_read", "map k: cannot be explained", `
		1 2 0 map_put k ok a=x v=null
		3 4 0 map_put k ok a=y v=x
		5 6 1 map_get k ok v=x`},
	{"a_stale_read_of_a_key_that_nobody_writes", "log index goes back", `
		1 2 0 map_put k ok a=x v=null idx=10
		3 4 1 map_get other ok v=null idx=9`},
	{"a_lost_write", "map k: cannot be explained", `
		1 2 0 map_put k ok a=x v=null
		3 4 1 map_get k ok v=null`},
	{"a_read_that_goes_back", "map k: cannot be explained", `
		1 2 0 map_put k ok a=x v=null
		3 20 0 map_put k ok a=y v=x
		5 6 1 map_get k ok v=y
		7 8 2 map_get k ok v=x`},
	{"two_win_the_same_condition", "map k: cannot be explained", `
		1 2 0 map_put k ok a=x v=null
		3 9 0 map_replace_if k ok a=x b=y
		3 9 1 map_replace_if k ok a=x b=z`},
	{"indexes_of_one_key_against_its_order", "map k: cannot be explained", `
		1 9 0 map_put k ok a=x v=null idx=6
		1 9 1 map_put k ok a=y v=x idx=5`},
	{"a_counter_that_works", "", `
		1 5 0 counter_add c ok a=3 n=5 idx=3
		1 5 1 counter_add c ok a=2 n=2 idx=2
		6 7 1 counter_get c ok n=5 idx=3`},
	{"a_counter_with_an_unknown_addition", "", `
		1 2 0 counter_add c ok a=3 n=3
		3 4 1 counter_add c info a=4 e=ETIMEOUT
		5 6 2 counter_add c info a=8 e=ETIMEOUT
		7 8 0 counter_get c ok n=11`},
	{"an_addition_that_took_effect_twice", "sums of counters", `
		1 2 0 counter_add c ok a=3 n=3
		3 4 0 counter_add c ok a=4 n=7
		5 6 0 counter_get c ok n=11`},
	{"an_unknown_addition_that_took_effect_twice", "counter c: cannot be explained", `
		1 2 0 counter_add c ok a=3 n=3
		3 4 1 counter_add c info a=4 e=ETIMEOUT
		5 6 0 counter_get c ok n=11`},
	{"a_lost_addition", "counter c: cannot be explained", `
		1 2 0 counter_add c ok a=3 n=3
		3 4 0 counter_add c ok a=4 n=4
		5 6 0 counter_get c ok n=4`},
	{"a_counter_that_nobody_read_at_the_end", "sums of counters: c was not read", `
		1 2 0 counter_add c ok a=3 n=3`},
	{"a_counter_that_is_compared_and_set", "", `
		1 2 0 counter_cas c ok a=0 b=7
		3 4 0 counter_cas c fail a=0 b=9
		5 6 0 counter_get c ok n=7`},
	{"a_set_that_works", "", `
		1 2 0 set_add s ok a=e n=1
		3 4 1 set_add s ok a=e n=0
		5 6 1 set_contains s ok a=e n=1
		5 6 1 set_contains s ok a=other n=0
		7 8 0 set_remove s ok a=e n=1
		9 10 0 set_contains s ok a=e n=0`},
	{"an_element_that_comes_back", "set s/e: cannot be explained", `
		1 2 0 set_add s ok a=e n=1
		3 4 0 set_remove s ok a=e n=1
		5 6 1 set_contains s ok a=e n=1`},
	{"values_that_are_all_there", "", `
		1 2 0 log_add l ok a=x n=1
		3 4 0 log_add l info a=y e=ETIMEOUT
		5 6 0 log_element l ok a=x
		5 6 0 log_element l ok a=y
		5 6 0 log_scan l ok n=2`},
	{"a_value_that_was_lost", "acknowledged, then lost", `
		1 2 0 log_add l ok a=x n=1
		5 6 0 log_scan l ok n=0`},
	{"a_value_that_was_refused_and_is_there", "refused, but there", `
		1 2 0 log_add l fail a=x e=ENOSPC
		5 6 0 log_element l ok a=x
		5 6 0 log_scan l ok n=1`},
	{"a_value_that_nobody_added", "which nobody added", `
		1 2 0 log_add l ok a=x n=1
		5 6 0 log_element l ok a=x
		5 6 0 log_element l ok a=z
		5 6 0 log_scan l ok n=2`},
	{"an_add_applied_twice", "the first add of a value says", `
		1 2 0 log_add l ok a=x n=0
		5 6 0 log_element l ok a=x
		5 6 0 log_scan l ok n=1`},
	{"a_set_that_was_not_read_at_the_end", "l was not read at the end", `
		1 2 0 log_add l ok a=x n=1`},
	{"a_lock_that_works", "", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10 idx=1
		3 9 1 lock_acquire l ok s=2 a=1000 fence=11 idx=2
		3 4 2 lock_acquire l fail s=3 a=0 idx=1
		5 6 0 lock_release l ok s=1 a=10 idx=2
		10 11 1 lock_release l ok s=2 a=11 idx=3`},
	{"a_lock_of_a_session_that_ended", "", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		5 30 0 session_end - ok s=1 e=ESESSION
		3 9 1 lock_acquire l ok s=2 a=1000 fence=11`},
	{"a_lock_whose_holder_nobody_knows", "", `
		1 2 0 lock_acquire l info s=1 a=0 e=ETIMEOUT
		3 4 1 lock_acquire l fail s=2 a=0
		5 6 0 session_end - ok s=1
		7 8 1 lock_acquire l ok s=2 a=0 fence=10`},
	{"two_holders", "lock l: cannot be explained", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 4 1 lock_acquire l ok s=2 a=0 fence=11
		5 6 0 lock_release l ok s=1 a=10`},
	{"a_lease_that_ended_too_early", "lock l: cannot be explained", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 9 1 lock_acquire l ok s=2 a=0 fence=11
		50 60 0 session_end - ok s=1 e=ESESSION`},
	{"a_session_that_ended_too_early", "leases: 1 ms too early", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		2000009 1000009 0 session_end - ok s=1 e=ESESSION`},
	{"a_grant_to_a_session_that_has_ended", "lock l: cannot be explained", `
		1 2 0 lock_acquire l fail s=1 a=0
		3 4 0 session_end - ok s=1
		5 6 0 lock_acquire l ok s=1 a=0 fence=10`},
	{"a_lock_that_nobody_holds_and_nobody_gets", "lock l: cannot be explained", `
		1 2 0 lock_acquire l fail s=1 a=0`},
	{"a_fence_that_falls", "fences", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 4 0 lock_release l ok s=1 a=10
		5 6 0 lock_acquire l ok s=1 a=0 fence=9`},
	{"waiters_are_served_in_their_order", "", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 19 1 lock_acquire l ok s=2 a=1000 tq=4 fence=11
		5 29 2 lock_acquire l ok s=3 a=1000 tq=6 fence=12
		12 13 0 lock_release l ok s=1 a=10
		20 21 1 lock_release l ok s=2 a=11`},
	{"a_waiter_whose_wait_is_over_is_passed_by", "", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 9 1 lock_acquire l fail s=2 a=1 tq=4
		5 29 2 lock_acquire l ok s=3 a=1000 tq=6 fence=11
		12 13 0 lock_release l ok s=1 a=10`},
	{"who_asks_before_the_other_knows_its_place_may_be_first", "", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 29 1 lock_acquire l ok s=2 a=1000 tq=6 fence=12
		5 19 2 lock_acquire l ok s=3 a=1000 tq=6 fence=11
		12 13 0 lock_release l ok s=1 a=10
		20 21 2 lock_release l ok s=3 a=11`},
	{"a_waiter_that_is_passed_by", "fences: #1", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		3 29 1 lock_acquire l ok s=2 a=1000 tq=4 fence=12
		5 19 2 lock_acquire l ok s=3 a=1000 tq=6 fence=11
		12 13 0 lock_release l ok s=1 a=10
		20 21 2 lock_release l ok s=3 a=11`},
	{"a_fence_that_is_given_twice", "given twice", `
		1 2 0 lock_acquire l ok s=1 a=0 fence=10
		1 2 1 lock_acquire m ok s=2 a=0 fence=10`},
}

func TestHistories(t *testing.T) {
	for _, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			html := filepath.Join(t.TempDir(), "violation.html")
			violations := check(told(t, h.story), 10*time.Second, html)
			all := strings.Join(violations, "\n")
			if h.wrong == "" && all != "" {
				t.Fatalf("a good history is called wrong:\n%s", all)
			}
			if !strings.Contains(all, h.wrong) {
				t.Fatalf("expected %q among:\n%s", h.wrong, all)
			}
			if strings.Contains(h.wrong, "cannot be explained") {
				if info, err := os.Stat(html); err != nil || info.Size() == 0 {
					t.Fatalf("the violation was not drawn: %v", err)
				}
			}
		})
	}
}

func TestLinesThatAreNoRecord(t *testing.T) {
	for _, line := range []string{"", "{", "{}", `{"f":"map_get","t0":2,"t1":1,"st":"ok"}`,
		`{"f":"map_get","t0":1,"t1":2,"st":"good"}`, `{"f":"map_get","t0":1,"t1":2,"st":"ok","a":[]}`} {
		if _, err := parseHistory(strings.NewReader(line + "\n")); err == nil {
			t.Errorf("taken for a record: %q", line)
		}
	}
}

func TestAnOperationThatNoModelKnows(t *testing.T) {
	records := told(t, "1 2 0 map_shuffle k ok")
	if len(check(records, time.Second, filepath.Join(t.TempDir(), "x.html"))) == 0 {
		t.Error("it was called linearizable")
	}
}
