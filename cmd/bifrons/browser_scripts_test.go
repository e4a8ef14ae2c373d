package main

import (
	"fmt"
	"os"
	"testing"

	"bifrons/api/config"
)

// TestBrowserDemoScripts has the EchoTest page talk to the scripts of Debian's package janus.
func TestBrowserDemoScripts(t *testing.T) {
	for plugin, script := range map[string]string{"lua": "echotest.lua", "duktape": "echotest.js"} {
		t.Run(plugin, func(t *testing.T) {
			folder := "/usr/share/janus/" + plugin
			if _, err := os.Stat(folder + "/" + script); err != nil {
				needs(t, "the scripts of the package janus are not installed: "+err.Error())
			}
			files := map[string]string{
				"janus.plugin." + plugin + ".jcfg": fmt.Sprintf("general: { path = %q, script = %q }", folder, folder+"/"+script),
			}
			d := openDemoWith(t, "websockets", "?plugin="+plugin, func(c *config.Config) { c.Folder = writeFiles(t, files) })
			d.start()
			d.checkPlaying(640, 480)
			d.checkData()
			d.checkMute("video")
			d.stop()
			d.quiet()
		})
	}
}
