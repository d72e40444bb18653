import Metrics
import Mount
import ObjectStore
import Testing

@testable import LocalState
@testable import S3
@testable import pail

/// What an operator reads: addresses, prices, lines of logs, pages.
@Suite struct ObservationTests {
    @Test(arguments: [
        ("9464", "127.0.0.1:9464"), ("0.0.0.0:1", "0.0.0.0:1"), ("[::1]:65535", "[::1]:65535"), ("host:0", "host:0"),
        ("/run/pail.sock", "/run/pail.sock"),
    ])
    func addresses(text: String, meant: String) {
        #expect(MetricsAddress(text)?.description == meant)
    }

    @Test(arguments: [
        "", "x", "host:", ":", ":9464", "-1", "65536", "host:65536", "::1:80", "[::1]", "a b:80", "http://h:1",
    ])
    func noAddresses(text: String) {
        #expect(MetricsAddress(text) == nil)
    }

    private func requests(_ counts: [String: Int], received: Int64 = 0) -> MountStatus.Requests {
        MountStatus.Requests(total: counts.values.reduce(0, +), byOperation: counts, bytesReceived: received)
    }

    @Test func costs() {
        let prices = RequestPrices()
        #expect(prices.cost(of: requests(["PutObject": 1000, "ListObjectsV2": 1000])) == 0.01)
        #expect(prices.cost(of: requests(["GetObject": 1000, "HeadObject": 1000])) == 0.0008)
        #expect(prices.cost(of: requests(["DeleteObject": 1_000_000, "AbortMultipartUpload": 5])) == 0)
        let outside = RequestPrices(writes: 1, reads: 2, transfer: 0.09)
        #expect(outside.cost(of: requests(["CopyObject": 500, "GetObject": 500], received: 10_000_000_000)) == 2.4)
    }

    @Test(arguments: [
        (0.0, "0.00"), (1.234, "1.23"), (0.05, "0.050"), (0.0004, "0.00040"), (0.00000001, "0.000000"),
        (12.999, "13.00"),
    ])
    func money(dollars: Double, text: String) {
        #expect(StatusTable.money(dollars) == text)
    }

    @Test func aLineOfTheRequestLog() {
        var record = RequestRecord(
            operation: "GetObject", method: "GET", key: ObjectKey("a \"b\"\n"), status: 206, bytesReceived: 5,
            bytesSent: 0,
            nanoseconds: 1_002_003_999, timesSent: 1, attempt: 2, requestID: "ID")
        #expect(
            RequestLog.line(record, at: "T")
                == #"{"time":"T","operation":"GetObject","method":"GET","key":"a \"b\"\n","status":206,"received":5,"sent":0,"#
                + #""seconds":1.002003,"attempt":2,"sends":1,"request_id":"ID"}"#)
        record.status = nil
        record.key = nil
        record.requestID = nil
        record.failure = "broken"
        #expect(
            RequestLog.line(record, at: "T")
                == #"{"time":"T","operation":"GetObject","method":"GET","status":null,"received":5,"sent":0,"seconds":1.002003,"#
                + #""attempt":2,"sends":1,"failure":"broken"}"#)
    }

    private func report(cache: BlockCache.Counts?) -> MetricsReport {
        MetricsReport(
            mountPoint: "/mnt/\"x\"", source: "s3://b", began: 1000, requests: RequestMetrics(), isStoreLost: true,
            operations: OperationMetrics(), pending: MountStatus.Pending(changes: 2, bytes: 10, oldestAge: 1.5),
            cache: cache, credentials: CredentialsStatus(renewals: 3, failures: 1, expiration: Timestamp(seconds: 77)),
            memory: 1, memoryLimit: 2, residentMemory: 3, inodes: 4, waitingOperations: 5)
    }

    @Test func aReportOfAMountThatHasDoneNothing() {
        let text = report(cache: nil).text
        for line in [
            "pail_store_up{mount=\"/mnt/\\\"x\\\"\"} 0", "pail_pending_changes{mount=\"/mnt/\\\"x\\\"\"} 2",
            "pail_pending_oldest_seconds{mount=\"/mnt/\\\"x\\\"\"} 1.5",
            "pail_credentials_expiry_time_seconds{mount=\"/mnt/\\\"x\\\"\"} 77",
            "pail_credentials_renewals_total{mount=\"/mnt/\\\"x\\\"\",result=\"success\"} 3",
            "pail_request_failures_total{mount=\"/mnt/\\\"x\\\"\",reason=\"timeout\"} 0",
        ] {
            #expect(text.contains(line + "\n"), "\(line)")
        }
        #expect(!text.contains("pail_disk_cache"))
        #expect(report(cache: BlockCache.Counts()).text.contains("pail_disk_cache_bytes"))
        let names = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE") }.map { $0.split(separator: " ")[2] }
        #expect(Set(names).count == names.count, "a metric twice")
        // Prometheus' conventions: counters end in _total, and nothing else does.
        for line in text.split(separator: "\n") where line.hasPrefix("# TYPE") {
            #expect(line.hasSuffix(" counter") == line.contains("_total "), "\(line)")
        }
    }

    private func status(uptime: Double, changes: Int, sent: Int64, calls: Int) -> MountStatus {
        var activity = MountStatus.Activity()
        activity.operations = calls
        activity.errors = calls / 10
        activity.bytesRead = 100
        activity.bytesFromMemory = 50
        activity.byOperation["lookup"] = .init(count: 4, waited: 1, errors: 0, mean: 0.1, slowest1Percent: 1)
        return MountStatus(
            source: "s3://b", mountPoint: "/mnt", endpoint: "http://h", pid: 1, version: "1", uptime: uptime,
            mode: "strict",
            isReadOnly: false, waitingRequests: 0, memoryUsed: 0, memoryLimit: 1, inodes: 1, residentMemory: 1,
            requests: MountStatus.Requests(total: calls, byOperation: ["PutObject": calls], bytesSent: sent),
            pending: MountStatus.Pending(changes: changes, bytes: 1024), activity: activity)
    }

    @Test func pagesOfAWatch() {
        var watch = StatusWatch(interval: 1, prices: RequestPrices())
        let first = status(uptime: 10, changes: 4, sent: 0, calls: 100)
        let firstPage = watch.lines(first, since: nil).joined(separator: "\n")
        #expect(firstPage.contains("0/4 stored") && !firstPage.contains("requests/s"))
        #expect(firstPage.contains("50.0 % of the bytes read, 75.0 % of the looks at names"))
        let second = status(uptime: 12, changes: 1, sent: 4096, calls: 150)
        let page = watch.lines(second, since: first).joined(separator: "\n")
        #expect(page.contains("3/4 stored"))
        #expect(page.contains("2.0 KiB/s sent, 25.0 requests/s"))
        #expect(page.contains("25.0 calls/s, 5 errors"))
        let last = watch.lines(status(uptime: 13, changes: 0, sent: 4096, calls: 150), since: second)
        #expect(!last.joined().contains("stored, "))
    }

    @Test func aPageFitsItsTerminal() {
        let lines = (0..<40).map { "\($0) " + String(repeating: "x", count: 200) }
        let cut = StatusWatch.cut(lines, to: (rows: 10, columns: 20))
        #expect(cut.count == 9 && cut.allSatisfy { $0.count == 19 })
        #expect(cut.first!.hasPrefix("0 ") && cut.last!.hasPrefix("39 "))
        #expect(StatusWatch.cut(["a", "b"], to: (rows: 24, columns: 80)) == ["a", "b"])
    }

    @Test func anOlderMountTellsLess() throws {
        var old = status(uptime: 1, changes: 0, sent: 0, calls: 1)
        old.activity = nil
        old.isStoreLost = nil
        let read = try #require(ControlLine.decode(MountStatus.self, ControlLine.encode(old)))
        #expect(read == old)
        #expect(!StatusTable(status: read).lines.joined().contains("programs"))
    }
}
