package cli

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// The report that most build servers read: https://github.com/testmoapp/junitxml
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		File      string        `xml:"file,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit gives the report on cases: one suite.
func junit(done []*result) []byte {
	suite := junitSuite{Name: "pillion test", Tests: len(done)}
	var total float64
	for _, r := range done {
		total += r.took.Seconds()
		c := junitCase{Name: r.name, ClassName: "pillion", File: filepath.ToSlash(r.dir), Time: seconds(r.took.Seconds())}
		if r.failed() {
			suite.Failures++
			var text strings.Builder
			r.write(&text, false)
			c.Failure = &junitFailure{Message: r.message(), Text: text.String()}
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Time = seconds(total)
	all := junitSuites{Tests: suite.Tests, Failures: suite.Failures, Time: suite.Time, Suites: []junitSuite{suite}}
	text, err := xml.MarshalIndent(&all, "", "  ")
	if err != nil {
		panic("JUnit report: " + err.Error()) // the types can be written
	}
	return append([]byte(xml.Header), append(text, '\n')...)
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// message gives what is wrong in a line.
func (r *result) message() string {
	if len(r.wrong) > 0 {
		return r.wrong[0]
	}
	var names []string
	for _, d := range r.diffs {
		names = append(names, d.name)
	}
	return "differs from " + strings.Join(names, ", ")
}
