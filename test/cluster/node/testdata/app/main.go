// Command app is what the containers of the tests run:
//
//	app serve ADDRESS TEXT [FILE]   answer with the text and what is in the file
//	app write FILE TEXT             write the file and end
//	app get URL...                  print the answers, or fail
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("unknown arguments %q", args)
	}
	switch {
	case args[0] == "serve" && len(args) > 2:
		return http.ListenAndServe(args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, args[2])
			for _, file := range args[3:] {
				b, err := os.ReadFile(file)
				fmt.Fprintf(w, " %s", b)
				if err != nil {
					fmt.Fprint(w, err)
				}
			}
		}))
	case args[0] == "write" && len(args) == 3:
		return os.WriteFile(args[1], []byte(args[2]), 0o644)
	case args[0] == "get":
		return get(args[1:])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func get(urls []string) error {
	client := http.Client{Timeout: 10 * time.Second}
	for _, url := range urls {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		fmt.Println(string(b))
	}
	return nil
}
