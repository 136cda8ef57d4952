package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/sidecars"
)

func TestEveryMistakeIsTold(t *testing.T) {
	_, err := parse([]file{
		{"runner.yaml", []byte(`socket: run.sock
events: some
grace: 1h
jobs:
  - {name: Backup}
  - {script: a.sh}
  - {name: a, script: ../a.sh, timeout: 1ms, concurrency: allow}
  - {name: a, schedule: "* * * *"}
  - {name: b, schedule: "0 0 30 2 *"}
  - {name: c, schedule: "CRON_TZ=UTC * * * * *"}
  - {name: d, schedule: "@every 1ms", timezone: Mars/Olympus}
`)},
		{"jobs.yaml", []byte("listen: x\njobs: [{name: b}]\n")},
	})
	want := []string{
		`jobs.yaml:1: listen: is not known; known: jobs`,
		`jobs.yaml:2: jobs[0].name: "b" is the name of another job`,
		"runner.yaml:1: socket: must be a clean absolute path",
		"runner.yaml:2: events: must be one of none, failures, all",
		"runner.yaml:3: grace: must be from 0s to 10m0s",
		"runner.yaml:5: jobs[0].name: must be at most 63 lower-case letters, digits, - and ., with a letter or digit at both ends",
		"runner.yaml:6: jobs[1].name: is required",
		"runner.yaml:7: jobs[2].script: must be the name of a file, as a key of a ConfigMap is",
		"runner.yaml:7: jobs[2].timeout: must be from 1s to 24h0m0s",
		"runner.yaml:7: jobs[2].concurrency: must be one of forbid, queue",
		`runner.yaml:8: jobs[3].name: "a" is the name of another job`,
		"runner.yaml:8: jobs[3].schedule: must be five fields as in a crontab, @daily or the like, or @every 5m: expected exactly 5 fields, found 4: [* * * *]",
		"runner.yaml:9: jobs[4].schedule: names no day that there is",
		"runner.yaml:10: jobs[5].schedule: the time zone has a field of its own, timezone",
		`runner.yaml:11: jobs[6].timezone: "Mars/Olympus" is not a time zone such as UTC or Europe/Berlin`,
		"runner.yaml:11: jobs[6].schedule: must be five fields as in a crontab, @daily or the like, or @every 5m: provided bad location Mars/Olympus: unknown time zone Mars/Olympus",
	}
	if err == nil {
		t.Fatal("no mistake was found")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestSchedulesFollowTheirTimeZone lists when a job is due, also where a day has 23 or 25 hours.
func TestSchedulesFollowTheirTimeZone(t *testing.T) {
	tests := []struct{ schedule, zone, after, want string }{
		{"30 3 * * *", "UTC", "2026-03-28T12:00:00Z", "2026-03-29T03:30:00Z 2026-03-30T03:30:00Z"},
		{"30 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z 2026-03-30T01:30:00Z"},
		{"30 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T02:30:00Z 2026-10-26T02:30:00Z"},
		{"@every 90s", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z 2026-01-01T00:03:00Z"},
		{"0 9 * * mon-fri", "America/New_York", "2026-07-03T20:00:00Z", "2026-07-06T13:00:00Z 2026-07-07T13:00:00Z"},
		{"@monthly", "UTC", "2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z"},
	}
	for _, test := range tests {
		c, err := parse([]file{{"f", []byte("jobs: [{name: a, schedule: \"" + test.schedule + "\", timezone: " + test.zone + "}]\n")}})
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, test.after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 2 {
			at = c.Jobs[0].next.Next(at)
			got = append(got, at.UTC().Format(time.RFC3339))
		}
		if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s in %s (-want +got)\n%s", test.schedule, test.zone, diff)
		}
	}
}

// TestTheCatalogEntryWritesWhatTheRunnerReads injects the entry with its parameters, and reads the file that the Pod carries.
func TestTheCatalogEntryWritesWhatTheRunnerReads(t *testing.T) {
	for name, test := range map[string]struct {
		annotations string
		want        []any
	}{
		"no parameter but the scripts": {``, []any{":9182", "/tmp", "none", 0}},
		"all of them": {`, "pillion.dev/runner.jobs": "name=a,script=a.sh,schedule=*/5 9-17 * * 1-5,timezone=Europe/Berlin,timeout=30s,concurrency=queue;name=b,script=b.py",
			"pillion.dev/runner.directory": "/data", "pillion.dev/runner.events": "all", "pillion.dev/runner.port": "9999"`, []any{":9999", "/data", "all", 2}},
	} {
		t.Run(name, func(t *testing.T) {
			pod, err := sidecars.ReadPod([]byte(`{"metadata": {"annotations": {"pillion.dev/inject": "runner", "pillion.dev/runner.scripts": "s"` + test.annotations +
				`}}, "spec": {"containers": [{"name": "app", "image": "a:1"}]}}`))
			if err != nil {
				t.Fatal(err)
			}
			result := sidecars.Inject(sidecars.Builtin(), pod, &sidecars.Namespace{Name: "demo"})
			if result.Outcome != sidecars.Injected {
				t.Fatalf("%s: %v", result.Outcome, result.Errors)
			}
			var text string
			for _, op := range result.Patch {
				if op.Path == "/metadata/annotations/pillion.dev~1file.runner.config" {
					if err := json.Unmarshal(op.Value.(json.RawMessage), &text); err != nil {
						t.Fatal(err)
					}
				}
			}
			c, err := parse([]file{{"runner.yaml", []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, []any{c.Listen, c.Directory, c.Events, len(c.Jobs)}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAnIncludedFileMayBeAbsent(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "runner.yaml")
	if err := os.WriteFile(main, []byte("include: "+dir+"/jobs.yaml\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, write := range []string{"", "jobs: [{name: a}]\n"} {
		if write != "" {
			if err := os.WriteFile(dir+"/jobs.yaml", []byte(write), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		files, err := readFiles(main)
		if err != nil {
			t.Fatal(err)
		}
		c, err := parse(files)
		if err != nil || len(c.Jobs) != want {
			t.Errorf("%d jobs, want %d: %v", len(c.Jobs), want, err)
		}
	}
}
