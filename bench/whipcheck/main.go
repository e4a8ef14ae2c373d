// Command whipcheck checks a server of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep)
// against clients' expectations, whoever has made it.
//
//	go run ./bench/whipcheck -whip http://localhost:8088/whip/endpoint/x -whep http://localhost:8088/whep/endpoint/x
//
// What is published at the first URL has to be seen at the second. With -token the
// endpoints are taken to need it; -idle names a WHEP endpoint where nobody publishes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "whipcheck:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	var x suite
	flags := flag.NewFlagSet("whipcheck", flag.ContinueOnError)
	flags.StringVar(&x.whip, "whip", "", "`URL` of a WHIP endpoint")
	flags.StringVar(&x.whep, "whep", "", "`URL` of a WHEP endpoint for the same")
	flags.StringVar(&x.idle, "idle", "", "`URL` of a WHEP endpoint where nobody publishes")
	flags.StringVar(&x.token, "token", "", "bearer token that both need")
	flags.BoolVar(&x.good, "good", false, "leave out bad offers, of which some servers do not recover")
	flags.SetOutput(out)
	quiet := flags.Bool("q", false, "show only what fails")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if x.whip == "" || x.whep == "" {
		flags.Usage()
		return errors.New("-whip and -whep are needed")
	}
	results := x.run()
	n := map[verdict]int{}
	for _, r := range results {
		n[r.verdict]++
		if !*quiet || r.verdict == failed || r.verdict == unkind {
			fmt.Fprintln(out, r)
		}
	}
	fmt.Fprintf(out, "%d checks: %d passed, %d failed, %d should be otherwise, %d do not apply\n",
		len(results), n[passed], n[failed], n[unkind], n[skipped])
	if n[failed] > 0 {
		return fmt.Errorf("%d checks failed", n[failed])
	}
	return nil
}
