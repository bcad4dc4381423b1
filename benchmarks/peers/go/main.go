// Builds and sends mails with go-mail, sixteen at a time on kept connections: peer PORT MAILS text|html < BODY.
//
// Prints one line of JSON: rate and CPU for each mail.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/wneessen/go-mail"
)

const workers = 16

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func cpu() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}

func message(body string, html bool) *mail.Msg {
	m := mail.NewMsg()
	check(m.From("Shop <shop@example.com>"))
	check(m.To("Jane Doe <jane@example.org>"))
	m.Subject("Your order 4711 has been shipped")
	m.SetBodyString(mail.TypeTextPlain, body)
	if html {
		m.AddAlternativeString(mail.TypeTextHTML, "<html><body><p>"+body+"</p></body></html>")
	}
	return m
}

func main() {
	port, err := strconv.Atoi(os.Args[1])
	check(err)
	mails, err := strconv.Atoi(os.Args[2])
	check(err)
	body, err := io.ReadAll(os.Stdin)
	check(err)
	waiting := make(chan bool, mails)
	for range mails {
		waiting <- true
	}
	close(waiting)
	var working sync.WaitGroup
	begun, spent := time.Now(), cpu()
	for range workers {
		working.Add(1)
		go func() {
			defer working.Done()
			client, err := mail.NewClient("127.0.0.1", mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS))
			check(err)
			check(client.DialWithContext(context.Background()))
			for range waiting {
				check(client.Send(message(string(body), os.Args[3] == "html")))
			}
			check(client.Close())
		}()
	}
	working.Wait()
	seconds := time.Since(begun).Seconds()
	fmt.Printf("{\"jobs_per_second\": %f, \"cpu_ms\": %f}\n",
		float64(mails)/seconds, (cpu()-spent)/float64(mails))
}
