package files

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long nothing may change before a change is told of: editors and the kubelet write in several steps.
const settle = 100 * time.Millisecond

// Changes tells of changes in folders and the folders in them, until the context ends. Several changes may be told of as
// one. A folder that is not there is an error.
func Changes(ctx context.Context, folders ...string) (<-chan struct{}, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	for _, folder := range folders {
		if err := add(watcher, folder); err != nil {
			watcher.Close()
			return nil, err
		}
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer watcher.Close()
		tell(ctx, watcher, folders, changes)
	}()
	return changes, nil
}

// add watches a folder and those in it. Links are not followed: a mounted ConfigMap's are replaced in the folder itself.
func add(watcher *fsnotify.Watcher, folder string) error {
	return filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if err := watcher.Add(name); err != nil {
			return fmt.Errorf("watch %s: %w", name, err)
		}
		return nil
	})
}

func tell(ctx context.Context, watcher *fsnotify.Watcher, folders []string, changes chan<- struct{}) {
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-watcher.Events:
			settled = time.After(settle)
		case err := <-watcher.Errors:
			if err != nil { // events were lost: look as if there had been one
				settled = time.After(settle)
			}
		case <-settled:
			settled = nil
			for _, folder := range folders {
				_ = add(watcher, folder) // new ones; what is gone again is not watched
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}
}
