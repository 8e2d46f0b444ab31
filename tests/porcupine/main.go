// check-history judges histories of vxc-history: is there one order of all operations that explains
// what every client saw, and that respects real time?
//
//	check-history [-html FILE] [-timeout DURATION] HISTORY...
//
// Prints "checked N operations: linearizable" and ends with 0, or prints what cannot be explained,
// with the history of that key drawn into FILE, and ends with 1. 2: usage, or lines that cannot be read.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	html := flag.String("html", "violation.html", "where to draw the first key that cannot be explained")
	timeout := flag.Duration("timeout", 60*time.Second, "longest search for one key's order")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: check-history [-html FILE] [-timeout DURATION] HISTORY...")
		os.Exit(2)
	}
	good := true
	for _, path := range flag.Args() {
		records, err := readHistory(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "check-history: %s: %v\n", path, err)
			os.Exit(2)
		}
		violations := check(records, *timeout, *html)
		for _, v := range violations {
			fmt.Printf("%s: %s\n", path, v)
		}
		if len(violations) == 0 {
			fmt.Printf("checked %d operations: linearizable\n", len(records))
		}
		good = good && len(violations) == 0
	}
	if !good {
		os.Exit(1)
	}
}

// check gives all violations: of the searched order, and of what needs no search. The first key
// without an order is drawn into the file html.
func check(records []*record, timeout time.Duration, html string) []string {
	violations := checkOrders(records, timeout, html)
	violations = append(violations, checkIndexes(records)...)
	violations = append(violations, checkFences(records)...)
	violations = append(violations, checkLeases(records)...)
	violations = append(violations, checkLogs(records)...)
	violations = append(violations, checkSums(records)...)
	return violations
}
