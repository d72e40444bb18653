import Glibc
import LocalState
import Metrics
import Mount
import ObjectStore
import S3

/// All that a mount counts, as text for Prometheus. OPERATION.md lists the metrics; a test holds the two together.
///
/// Every sample carries the mount point, so that the files of several mounts can lie in one textfile collector's directory. Keys
/// and names of files are in none of them.
///
/// **Cost.** Made when somebody asks: some thousand relaxed loads and a few tens of KB of text; no request to the store.
struct MetricsReport {
    /// What the mount is.
    var mountPoint: String
    var source: String
    /// Seconds of Unix time when it began.
    var began: Double
    /// What the store was asked.
    var requests: RequestMetrics
    var isStoreLost: Bool
    /// What programs asked.
    var operations: OperationMetrics
    /// What is still to be stored.
    var pending: MountStatus.Pending
    /// The disk cache; nil where there is none.
    var cache: BlockCache.Counts?
    /// The GETs that were sent twice; nil where none ever is.
    var hedges: HedgingStore.Counts?
    var credentials: CredentialsStatus
    var memory: Int
    var memoryLimit: Int
    var residentMemory: Int
    var inodes: Int
    var waitingOperations: Int

    /// The text.
    var text: String {
        var out = MetricsText(labels: [("mount", mountPoint)])
        writeMount(to: &out)
        writeRequests(to: &out)
        writeOperations(to: &out)
        writeState(to: &out)
        return out.text
    }

    private func writeMount(to out: inout MetricsText) {
        out.begin("pail_mount_info", .gauge, "What is mounted, and by which version; always 1.")
        out.sample(UInt64(1), [("source", source), ("version", PailCommand.version)])
        out.begin("pail_mount_start_time_seconds", .gauge, "When the mount began, in seconds of Unix time.")
        out.sample(began)
    }

    private func writeRequests(to out: inout MetricsText) {
        out.begin(
            "pail_requests_total", .counter,
            "Requests that went out to the store, by the status of the answer; none where no answer came, cancelled where it was not waited for."
        )
        for answers in requests.requests {
            out.sample(
                answers.count,
                [
                    ("operation", answers.operation), ("method", answers.method),
                    ("status", answers.status),
                ])
        }
        out.begin(
            "pail_request_duration_seconds", .histogram,
            "Time of a request to the store, the wait for a connection and the whole body included.")
        for (operation, row) in requests.latencies { out.sample(row, [("operation", operation)]) }
        out.begin("pail_request_failures_total", .counter, "Requests without an answer to its end, by the reason.")
        for (reason, count) in requests.failures { out.sample(count, [("reason", reason)]) }
        out.begin("pail_request_retries_total", .counter, "Requests that were made again after a failure.")
        out.sample(requests.retries)
        out.begin(
            "pail_request_errors_total", .counter,
            "Requests that failed in the end, for what is not there and for conditions that do not hold too.")
        out.sample(requests.errors)
        out.begin("pail_requests_in_flight", .gauge, "Requests that are under way or wait for a connection.")
        out.sample(Double(requests.inFlight))
        out.begin("pail_received_bytes_total", .counter, "Bytes of bodies that came from the store.")
        out.sample(requests.bytesReceived)
        out.begin("pail_sent_bytes_total", .counter, "Bytes of bodies that went to the store.")
        out.sample(requests.bytesSent)
        out.begin("pail_store_up", .gauge, "1; 0 while nothing but failures came from the store for seconds.")
        out.sample(UInt64(isStoreLost ? 0 : 1))
        out.begin("pail_credentials_renewals_total", .counter, "Times that keys were asked for anew, by the result.")
        out.sample(credentials.renewals, [("result", "success")])
        out.sample(credentials.failures, [("result", "failure")])
        out.begin(
            "pail_credentials_expiry_time_seconds", .gauge,
            "When the keys in use end, in seconds of Unix time; no sample where they do not.")
        if let expiration = credentials.expiration { out.sample(Double(expiration.seconds)) }
    }

    private func writeOperations(to out: inout MetricsText) {
        let used = FileSystemOperation.allCases.map { ($0, operations.latency(of: $0)) }.filter { $0.1.count > 0 }
        out.begin(
            "pail_operation_duration_seconds", .histogram,
            "Time of an operation of programs, from its arrival to its answer.")
        for (operation, row) in used { out.sample(row, [("operation", operation.name)]) }
        out.begin(
            "pail_operation_waits_total", .counter,
            "Operations that could not be answered from memory at once: they waited for the store or the disk.")
        for (operation, _) in used { out.sample(operations.waits(of: operation), [("operation", operation.name)]) }
        out.begin("pail_operation_errors_total", .counter, "Operations that were answered with an error.")
        for (operation, _) in used {
            for (error, count) in operations.errors(of: operation) {
                out.sample(count, [("operation", operation.name), ("error", error)])
            }
        }
        out.begin(
            "pail_read_bytes_total", .counter, "Bytes that programs read: from memory at once, or after a wait.")
        out.sample(operations.bytesRead.fromMemory, [("from", "memory")])
        out.sample(operations.bytesRead.afterWait, [("from", "wait")])
        out.begin("pail_written_bytes_total", .counter, "Bytes that programs wrote.")
        out.sample(operations.bytesWritten)
        out.begin("pail_operations_waiting", .gauge, "Operations of programs that wait for an answer.")
        out.sample(Double(waitingOperations))
    }

    private func writeState(to out: inout MetricsText) {
        out.begin("pail_pending_changes", .gauge, "Changes that are not in the bucket yet.")
        out.sample(Double(pending.changes))
        out.begin("pail_pending_bytes", .gauge, "Bytes that they have to send.")
        out.sample(Double(pending.bytes))
        out.begin("pail_pending_oldest_seconds", .gauge, "How long the oldest of them has waited.")
        out.sample(pending.oldestAge)
        out.begin(
            "pail_kept_files", .gauge,
            "Files whose content could not be stored and is kept on this machine; at most 100.")
        out.sample(Double(pending.kept.count))
        if let cache {
            out.begin("pail_disk_cache_blocks_total", .counter, "Blocks looked for in the disk cache, by the result.")
            out.sample(UInt64(cache.hits), [("result", "hit")])
            out.sample(UInt64(cache.misses - cache.damaged), [("result", "miss")])
            out.sample(UInt64(cache.damaged), [("result", "damaged")])
            out.begin("pail_disk_cache_bytes", .gauge, "Bytes that the disk cache keeps.")
            out.sample(Double(cache.bytes))
        }
        if let hedges {
            out.begin(
                "pail_hedged_reads_total", .counter,
                "Late GETs that were sent once more, by which of the two came first.")
            out.sample(UInt64(hedges.won), [("first", "second")])
            out.sample(UInt64(max(hedges.sent - hedges.won, 0)), [("first", "first")])
        }
        out.begin("pail_memory_used_bytes", .gauge, "Bytes of the memory budget that are in use.")
        out.sample(Double(memory))
        out.begin("pail_memory_limit_bytes", .gauge, "The memory budget.")
        out.sample(Double(memoryLimit))
        out.begin("pail_resident_memory_bytes", .gauge, "The process's resident memory.")
        out.sample(Double(residentMemory))
        out.begin("pail_inodes", .gauge, "Files and directories that the kernel remembers.")
        out.sample(Double(inodes))
    }
}
