// Kubernetes' conformance tests: the packages of its end-to-end tests that hold them (test/e2e), without those of cloud
// providers, Windows and storage drivers.
//
// The flags are those of Kubernetes' e2e.test (--kubeconfig, --ginkgo.focus …) and the two here. Like e2e.test it is run
// by the program `ginkgo` too, which runs specs side by side.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
	"k8s.io/component-base/logs"
	"k8s.io/kubernetes/test/conformance/testdata"
	_ "k8s.io/kubernetes/test/e2e"
	_ "k8s.io/kubernetes/test/e2e/apimachinery"
	_ "k8s.io/kubernetes/test/e2e/apps"
	_ "k8s.io/kubernetes/test/e2e/architecture"
	_ "k8s.io/kubernetes/test/e2e/auth"
	_ "k8s.io/kubernetes/test/e2e/common"
	_ "k8s.io/kubernetes/test/e2e/feature"
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	_ "k8s.io/kubernetes/test/e2e/framework/debug/init"
	_ "k8s.io/kubernetes/test/e2e/framework/metrics/init"
	_ "k8s.io/kubernetes/test/e2e/framework/node/init"
	"k8s.io/kubernetes/test/e2e/framework/testfiles"
	_ "k8s.io/kubernetes/test/e2e/instrumentation"
	_ "k8s.io/kubernetes/test/e2e/kubectl"
	_ "k8s.io/kubernetes/test/e2e/network"
	_ "k8s.io/kubernetes/test/e2e/node"
	_ "k8s.io/kubernetes/test/e2e/scheduling"
	_ "k8s.io/kubernetes/test/e2e/storage"
	e2etestingmanifests "k8s.io/kubernetes/test/e2e/testing-manifests"
	testfixtures "k8s.io/kubernetes/test/fixtures"
	imageutils "k8s.io/kubernetes/test/utils/image"
)

var (
	images  = flag.Bool("print-images", false, "print the names of the images that most tests take, as JSON, and end")
	results = flag.String("results", "", "file that gets a line of JSON as soon as a spec has ended")
)

type suite struct{}

// Fail is what RunSpecs returns too.
func (suite) Fail() {}

func printImages() error {
	return json.NewEncoder(os.Stdout).Encode(map[string][]string{
		"agnhost": {imageutils.GetE2EImage(imageutils.Agnhost), imageutils.GetE2EImage(imageutils.AgnhostPrev)},
		"busybox": {imageutils.GetE2EImage(imageutils.BusyBox)},
		"dns":     {imageutils.GetE2EImage(imageutils.GlibcDnsTesting)},
		"nginx":   {imageutils.GetE2EImage(imageutils.Nginx), imageutils.GetE2EImage(imageutils.NginxNew)},
		"pause":   {imageutils.GetE2EImage(imageutils.Pause)},
	})
}

// A report is only written when all specs have run, so a run that was stopped would have none.
func recordResult(spec ginkgo.SpecReport) {
	const unfinished = types.SpecStateSkipped | types.SpecStatePending | types.SpecStateInterrupted | types.SpecStateAborted
	if spec.State.Is(unfinished) {
		return
	}
	failure := ""
	if spec.Failed() {
		failure = strings.TrimSpace(spec.State.String() + ": " + spec.FailureMessage())
	}
	seconds := time.Since(spec.StartTime).Seconds()
	line, err := json.Marshal(map[string]any{"spec": spec.FullText(), "failure": failure, "seconds": seconds})
	framework.ExpectNoError(err)
	file, err := os.OpenFile(*results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	framework.ExpectNoError(err)
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	framework.ExpectNoError(err)
}

func main() {
	testing.Init() // ginkgo sends -test.timeout
	config.CopyFlags(config.Flags, flag.CommandLine)
	framework.RegisterCommonFlags(flag.CommandLine)
	framework.RegisterClusterFlags(flag.CommandLine)
	flag.Parse()
	if *images {
		if err := printImages(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testfiles.AddFileSource(e2etestingmanifests.GetE2ETestingManifestsFS())
	testfiles.AddFileSource(testfixtures.GetTestFixturesFS())
	testfiles.AddFileSource(testdata.GetConformanceTestdataFS())
	framework.AfterReadingAllFlags(&framework.TestContext)
	if *results != "" {
		ginkgo.ReportAfterEach(recordResult) // not earlier: the flags are followed by a preview, in which each spec passes
	}
	logs.InitLogs()
	defer logs.FlushLogs()
	gomega.RegisterFailHandler(framework.Fail)
	suiteConfig, reporterConfig := framework.CreateGinkgoConfig()
	if !ginkgo.RunSpecs(suite{}, "Conformance", suiteConfig, reporterConfig) {
		os.Exit(1)
	}
}
