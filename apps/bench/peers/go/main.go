// Go's bounded pools on the same workloads. Prints what the C++ programs print: a "metric value" a
// line. See ../../table.cpp.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
)

type arguments map[string]int

func (a arguments) number(key string, otherwise int) int {
	if value, given := a[key]; given {
		return value
	}
	return otherwise
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func report(metric string, value float64) { fmt.Printf("%s %.9g\n", metric, value) }

func cpu() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// A pool as the workloads see it: start one task (waiting where it is full), end.
type pool struct {
	start func(task func())
	end   func()
}

var pools = map[string]func(limit int) pool{
	// A goroutine a task, no limit.
	"go": func(int) pool {
		return pool{func(task func()) { go task() }, func() {}}
	},
	// A goroutine a task, bounded by tokens in a channel.
	"channel": func(limit int) pool {
		tokens := make(chan struct{}, limit)
		return pool{func(task func()) {
			tokens <- struct{}{}
			go func() {
				defer func() { <-tokens }()
				task()
			}()
		}, func() {}}
	},
	// Resident goroutines that take tasks from a channel.
	"workers": func(limit int) pool {
		tasks := make(chan func(), 1024)
		for i := 0; i < limit; i++ {
			go func() {
				for task := range tasks {
					task()
				}
			}()
		}
		return pool{func(task func()) { tasks <- task }, func() { close(tasks) }}
	},
	"ants": func(limit int) pool {
		p, err := ants.NewPool(limit, ants.WithExpiryDuration(10*time.Second))
		must(err)
		return pool{func(task func()) { must(p.Submit(task)) }, p.Release}
	},
	"pond-go": func(limit int) pool {
		p := pond.NewPool(limit)
		return pool{func(task func()) { must(p.Go(task)) }, p.StopAndWait}
	},
	"pond-submit": func(limit int) pool {
		p := pond.NewPool(limit)
		return pool{func(task func()) { p.Submit(task) }, p.StopAndWait}
	},
}

// Runs batches of body on the pool, each joined.
func inBatches(a arguments, limit int, make func(limit int) pool, body func()) {
	p := make(limit)
	tasks := a.number("tasks", 1000000)
	batch := a.number("batch", tasks)
	var left sync.WaitGroup
	run := func(n int) {
		left.Add(n)
		for i := 0; i < n; i++ {
			p.start(func() {
				body()
				left.Done()
			})
		}
		left.Wait()
	}
	if a.number("warm", 1) == 1 {
		run(min(batch, 4096))
	}
	wall, used := time.Now(), cpu()
	for done := 0; done < tasks; done += min(batch, tasks-done) {
		run(min(batch, tasks-done))
	}
	used = cpu() - used
	report("cpu_ns", float64(used.Nanoseconds())/float64(tasks))
	report("wall_ns", float64(time.Since(wall).Nanoseconds())/float64(tasks))
	p.end()
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// Groups of 24 tasks on pond, each joined by its own waiter.
func pondGroups(a arguments) {
	tasks, size := a.number("tasks", 1000000), a.number("size", 24)
	p := pond.NewPool(a.number("limit", 64))
	wall, used := time.Now(), cpu()
	for done := 0; done < tasks; done += size {
		group := p.NewGroup()
		for i := 0; i < min(size, tasks-done); i++ {
			group.Submit(func() {})
		}
		must(group.Wait())
	}
	used = cpu() - used
	report("cpu_ns", float64(used.Nanoseconds())/float64(tasks))
	report("wall_ns", float64(time.Since(wall).Nanoseconds())/float64(tasks))
	p.StopAndWait()
}

// A full pool, its one worker held: what it costs to be refused.
func refusals(a arguments, which string) {
	calls := a.number("calls", 1000000)
	held := make(chan struct{})
	hold := func() { <-held }
	var refused func() bool
	switch which {
	case "channel":
		tokens := make(chan struct{}, 1)
		tokens <- struct{}{}
		refused = func() bool {
			select {
			case tokens <- struct{}{}:
				return false
			default:
				return true
			}
		}
	case "ants":
		p, err := ants.NewPool(1, ants.WithNonblocking(true))
		must(err)
		must(p.Submit(hold))
		refused = func() bool { return p.Submit(hold) != nil }
	case "pond":
		p := pond.NewPool(1, pond.WithQueueSize(1), pond.WithNonBlocking(true))
		must(p.Go(hold))
		for p.Go(hold) == nil {
		}
		refused = func() bool { return p.Go(hold) != nil }
	}
	wall, used := time.Now(), cpu()
	for i := 0; i < calls; i++ {
		if !refused() {
			must(fmt.Errorf("a full pool took a task"))
		}
	}
	used = cpu() - used
	report("cpu_ns", float64(used.Nanoseconds())/float64(calls))
	report("wall_ns", float64(time.Since(wall).Nanoseconds())/float64(calls))
	close(held)
}

func main() {
	rows := map[string]func(arguments){"group-pond": pondGroups}
	for name, make := range pools {
		make := make
		rows["empty-"+name] = func(a arguments) {
			inBatches(a, a.number("limit", 64), make, func() {})
		}
		rows["naps-"+name] = func(a arguments) {
			a["warm"] = 0
			inBatches(a, a.number("limit", 50000), make, func() { time.Sleep(10 * time.Millisecond) })
		}
	}
	for _, name := range []string{"channel", "ants", "pond"} {
		name := name
		rows["refusal-"+name] = func(a arguments) { refusals(a, name) }
	}
	if len(os.Args) >= 2 && rows[os.Args[1]] != nil {
		given := arguments{}
		for _, word := range os.Args[2:] {
			key, text, _ := strings.Cut(word, "=")
			value, err := strconv.Atoi(text)
			must(err)
			given[key] = value
		}
		rows[os.Args[1]](given)
		return
	}
	names := []string{}
	for name := range rows {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: %s row [key=value ...]\nrows: %s\n", os.Args[0], strings.Join(names, " "))
	os.Exit(2)
}
