package doctor

// Schema is the version of a Report as JSON. Members are only ever added to it.
const Schema = "pillion.dev/doctor/v1"

// Report is what the checks say of a cluster.
type Report struct {
	Schema string `json:"schema"`
	// Server is the API server's version.
	Server string `json:"server"`
	// Install is where Pillion is; absent where it is not found.
	Install  *ReportedInstall `json:"install,omitempty"`
	Checks   []CheckResult    `json:"checks"`
	Findings []Finding        `json:"findings"`
	// Errors, Warnings and Notes count the findings.
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
}

// ReportedInstall is an Install with its versions.
type ReportedInstall struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Webhook and Controller are the versions that run; empty where not known.
	Webhook    string `json:"webhook,omitempty"`
	Controller string `json:"controller,omitempty"`
}

// State of a check.
type State string

// The states.
const (
	// OK: nothing was found.
	OK State = "ok"
	// Found: there are findings, of any severity.
	Found State = "found"
	// NotRun: something that the check needs could not be read.
	NotRun State = "notRun"
)

// CheckResult is what became of a check.
type CheckResult struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	Title string `json:"title"`
	State State  `json:"state"`
	// Lacks says what could not be read, where the check was not run.
	Lacks string `json:"lacks,omitempty"`
}

// Examine runs every check.
func Examine(s *Snapshot) *Report {
	r := &Report{Schema: Schema, Server: s.Server.GitVersion, Checks: []CheckResult{}, Findings: []Finding{}}
	if s.Install != nil {
		r.Install = &ReportedInstall{Name: s.Install.Name, Namespace: s.Install.Namespace,
			Webhook: s.versionOf(s.Install.Name), Controller: s.versionOf(s.Install.controller())}
	}
	for _, c := range Checks() {
		res := CheckResult{Name: c.Name, Group: c.Group, Title: c.Title, State: OK}
		if res.Lacks = c.lacks(s); res.Lacks != "" {
			res.State = NotRun
			r.Checks = append(r.Checks, res)
			continue
		}
		f := &findings{check: &c}
		c.look(s, f)
		if len(f.list) > 0 {
			res.State = Found
		}
		r.Checks, r.Findings = append(r.Checks, res), append(r.Findings, f.list...)
	}
	for i := range r.Findings {
		switch r.Findings[i].Severity {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		case Note:
			r.Notes++
		}
	}
	return r
}

// lacks names what the check cannot do without; empty where there is all.
func (c *Check) lacks(s *Snapshot) string {
	for _, k := range c.needs {
		if s.Unread[k] != nil {
			return string(k)
		}
	}
	if c.installed && (s.Install == nil || s.Install.Namespace == "") {
		return "an installation"
	}
	return ""
}
