// Package runner runs scripts beside an app: on a schedule, or when somebody asks at a Unix socket. A script's output goes to
// the runner's log line by line, its exit status and duration become metrics, the last of each is kept as JSON.
//
// A run is one process group. It ends with its script: what the script left behind is ended too, also where it moved to a
// session of its own, and on SIGTERM and at the timeout everything gets SIGTERM and, a little later, SIGKILL. The runner takes
// in the orphans of its scripts, so none stays a zombie.
package runner
