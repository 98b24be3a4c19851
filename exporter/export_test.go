package exporter

import "github.com/duotel/duotel/exporter/internal/spool"

// OnDisk returns c with a spool on another disk than the operating system's.
func (c PushConfig) OnDisk(disk spool.Disk) PushConfig {
	c.disk = disk
	return c
}
