import Testing
import Volumes

@testable import pail

@Suite struct VolumeOptionsTests {
    private func refusal(_ options: [String: String]) -> String {
        do throws(VolumeRefusal) {
            let result = try VolumeOptions.arguments(options)
            return "taken: \(result)"
        } catch {
            return error.description
        }
    }

    @Test func optionsAreThoseOfAMount() throws {
        let all = try VolumeOptions.arguments([
            "source": "s3://bucket/prefix", "endpoint_url": "http://127.0.0.1:1", "read-only": "", "write_back": "true",
            "requester_pays": "no", "part_size": "16MiB",
        ])
        #expect(all.source == "s3://bucket/prefix")
        #expect(
            all.options == [
                "--endpoint-url=http://127.0.0.1:1", "--part-size=16MiB", "--read-only", "--write-back",
                "--allow_other",
            ])
        let bucket = try VolumeOptions.arguments(["bucket": "bucket", "allow_root": "yes"])
        #expect(bucket.source == "bucket")
        #expect(bucket.options == ["--allow-root"])
        // A person who lets nobody else in says so.
        #expect(try VolumeOptions.arguments(["bucket": "bucket", "allow_other": "no"]).options.isEmpty)
        guard case .mount(let request) = try MountArguments(parsing: [all.source, "/mnt"] + all.options) else {
            Issue.record("no mount")
            return
        }
        #expect(request.options.allowsOther && request.options.isReadOnly && request.options.isWriteBack)
    }

    @Test(arguments: [
        (["endpoint_url": "http://h"], "no bucket is named"), (["source": "x"], "no bucket's name"),
        (["source": "bucket", "bucket": "bucket"], "twice"), (["source": "bucket", "part_size": "1"], "out of range"),
        (["source": "bucket", "part-size": "5MiB", "part_size": "5MiB"], "twice"),
        (["source": "bucket", "nonsense": "1"], "no such option"),
        (["source": "bucket", "read_only": "2"], "yes or no"),
        (["source": "bucket", "foreground": ""], "not for volumes"),
        (["source": "bucket", "passwd_file": "here"], "absolute"),
        (["source": "bucket", "log_file": "a\0b"], "zero byte"),
        (["source": "bucket", "anonymous": "", "profile": "p"], "goes with neither"),
    ])
    func mistakesAreTold(options: [String: String], part: String) {
        #expect(refusal(options).contains(part))
    }

    @Test(arguments: [
        "secret_access_key", "AWS_SECRET_ACCESS_KEY", "access-key-id", "password", "session-token", "sse_c",
    ])
    func noSecretIsTaken(name: String) {
        let reason = refusal(["source": "bucket", name: "hidden-value"])
        #expect(!reason.hasPrefix("taken"))
        #expect(!reason.contains("hidden-value"))
    }
}

@Suite struct MountListTests {
    @Test func theTableHasALineForEachMount() {
        #expect(MountList.table([]) == ["no mount of Pail is visible here"])
        let dead = MountList.Row(source: "s3://b", mountPoint: "/mnt/a b\n", type: "fuse.pail", state: .silent)
        let live = MountList.Row(
            source: "s3://bucket", mountPoint: "/mnt", type: "fuse.pail", state: .answering, pid: 7, mode: "write-back",
            isReadOnly: true, uptime: 5, pendingChanges: 2, pendingBytes: 1 << 20)
        let table = MountList.table([dead, live])
        #expect(table.count == 3)
        #expect(table[0].hasPrefix("SOURCE       MOUNTED ON"))
        #expect(table[1].contains("does not answer") && !table[1].contains("\n"))
        #expect(table[2].contains("write-back, read-only") && table[2].contains("2 changes, 1"))
    }

    @Test func callsAtOnceKeepTheirOrder() {
        let elements = Array(0..<50)
        #expect(ParallelCalls.map(elements) { $0 * 2 } == elements.map { $0 * 2 })
    }
}
