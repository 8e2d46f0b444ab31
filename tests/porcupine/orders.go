package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// A partition is what happened to one thing that has a state of its own.
type partition struct {
	model      string
	name       string
	operations []porcupine.Operation
}

func (p *partition) add(r *record, input interface{}) {
	call, end := r.T0, r.end()
	if call > end { // a session that ended too early: checkLeases says so
		call = end
	}
	p.operations = append(p.operations,
		porcupine.Operation{ClientId: r.Client, Input: input, Call: call, Return: end})
}

// counts tells whether a record says anything about an order: what was refused did nothing, and a read
// without an answer saw nothing.
func counts(r *record) bool {
	isRead := r.F == "map_get" || r.F == "counter_get" || r.F == "set_contains"
	return r.answered() || r.unknown() && !isRead
}

// partitionsOf sorts the records into partitions, in the order of their names. The sets that are
// only added to (log_…) are not among them: checkLogs looks at those.
func partitionsOf(records []*record) ([]*partition, error) {
	partitions := map[string]*partition{}
	var locks []*record
	for _, r := range records {
		model := r.F[:strings.IndexByte(r.F+"_", '_')]
		switch {
		case model == "lock" || model == "session":
			locks = append(locks, r)
			continue
		case model == "log" || !counts(r):
			continue
		}
		name := r.Key
		if model == "set" {
			name += "/" + r.A.Text
		}
		partitionOf(partitions, model, name).add(r, r)
	}
	if err := partitionLocks(partitions, locks); err != nil {
		return nil, err
	}
	var list []*partition
	for _, p := range partitions {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	return list, nil
}

func partitionOf(partitions map[string]*partition, model, name string) *partition {
	p := partitions[model+" "+name]
	if p == nil {
		p = &partition{model: model, name: name}
		partitions[model+" "+name] = p
	}
	return p
}

// A session's end is an event of every lock that the session asked for.
func partitionLocks(partitions map[string]*partition, records []*record) error {
	ends := map[string][]*record{}
	sessions := map[string]map[string]int{} // lock → session → its number there, from 1
	for _, r := range records {
		if r.F == "session_end" {
			ends[r.Session] = append(ends[r.Session], r)
			continue
		}
		if !counts(r) {
			continue
		}
		known := sessions[r.Key]
		if known == nil {
			known = map[string]int{}
			sessions[r.Key] = known
		}
		number, seen := known[r.Session]
		if !seen {
			number = len(known) + 1
			known[r.Session] = number
		}
		partitionOf(partitions, "lock", r.Key).add(r, lockInput{r, number})
	}
	for lock, known := range sessions {
		if len(known) >= len(sessionSet{})*64 {
			return fmt.Errorf("lock %s: %d sessions are too many for the model", lock, len(known))
		}
		for session, number := range known {
			for _, end := range ends[session] {
				partitionOf(partitions, "lock", lock).add(end, lockInput{end, number})
			}
		}
	}
	return nil
}

// checkOrders looks for an order of each partition, several at a time.
func checkOrders(records []*record, timeout time.Duration, html string) []string {
	partitions, err := partitionsOf(records)
	if err != nil {
		return []string{err.Error()}
	}
	var lock sync.Mutex
	var wait sync.WaitGroup
	var violations []string
	work := make(chan *partition)
	for i := 0; i < runtime.NumCPU(); i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for p := range work {
				if result := porcupine.CheckOperationsTimeout(models[p.model], p.operations, timeout); result != porcupine.Ok {
					lock.Lock()
					text := describe(p, result, timeout, html)
					if len(violations) > 0 {
						text = describe(p, result, timeout, "")
					}
					violations = append(violations, text)
					lock.Unlock()
				}
			}
		}()
	}
	for _, p := range partitions {
		work <- p
	}
	close(work)
	wait.Wait()
	return violations
}

func describe(p *partition, result porcupine.CheckResult, timeout time.Duration, html string) string {
	what := "cannot be explained by any order"
	if result == porcupine.Unknown {
		what = fmt.Sprintf("no order was found in %v, and not that there is none", timeout)
	}
	text := fmt.Sprintf("%s %s: %s (%d operations)", p.model, p.name, what, len(p.operations))
	if html == "" {
		return text
	}
	model := models[p.model]
	_, info := porcupine.CheckOperationsVerbose(model, p.operations, timeout)
	file, err := os.Create(html)
	if err == nil {
		err = porcupine.Visualize(model, info, file)
		file.Close()
	}
	if err != nil {
		return fmt.Sprintf("%s; it could not be drawn: %v", text, err)
	}
	return text + "; drawn in " + html
}
