import CAllocations
import Glibc

/// One figure: how much of what in how long, and what was allocated meanwhile.
public struct Measurement: Sendable {
    /// What was done.
    public var name: String
    /// How often.
    public var operations: Int
    /// The bytes moved; 0 where they are not the point.
    public var bytes: Int
    /// Seconds of the clock.
    public var seconds: Double
    /// Seconds of CPU, of the whole process.
    public var cpuSeconds: Double
    /// Allocations of the whole process, of a second pass that was not timed; nil where there was none.
    public var allocations: Double?

    /// `name: 12,345 operations/s, 1.23 GB/s, 0.8 µs of CPU each, 3.0 allocations each`
    public var text: String {
        var parts = [String(name) + ":", Self.grouped(Int(Double(operations) / seconds)) + "/s"]
        if bytes > 0 { parts.append(Self.rounded(Double(bytes) / seconds / 1e9, 2) + " GB/s") }
        parts.append("CPU " + Self.rounded(cpuSeconds / Double(operations) * 1e6, 2) + " µs each")
        if let allocations { parts.append(Self.rounded(allocations, 2) + " allocations each") }
        return parts.joined(separator: "  ")
    }

    /// A line of JSON.
    public var json: String {
        let allocations = allocations.map { Self.rounded($0, 4) } ?? "null"
        return "{\"name\": \"\(name)\", \"operations\": \(operations), \"bytes\": \(bytes), \"seconds\": \(seconds), "
            + "\"cpu_seconds\": \(cpuSeconds), \"allocations\": \(allocations)}"
    }

    static func grouped(_ number: Int) -> String {
        let digits = String(number)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result += "," }
            result.append(digit)
        }
        return result
    }

    static func rounded(_ value: Double, _ places: Int) -> String {
        let scale = (0..<places).reduce(1.0) { factor, _ in factor * 10 }
        let whole = Int((value * scale).rounded())
        guard places > 0 else { return String(whole) }
        let fraction = String(whole % Int(scale))
        return "\(whole / Int(scale))." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}

/// Takes measurements and prints each, as text or as a line of JSON.
public struct Measuring: Sendable {
    /// Whether lines of JSON are wanted.
    public var isJSON: Bool

    /// Prints text, or JSON.
    public init(isJSON: Bool) { self.isJSON = isJSON }

    /// Measures `operations` runs of something, all of them in `body`.
    /// - Parameters:
    ///   - bytes: what they move in all.
    ///   - counting: done once more in the same way, for its allocations: as many operations as it returns.
    public func callAsFunction(
        _ name: String, operations: Int, bytes: Int = 0, _ body: () async throws -> Void,
        counting: (() async throws -> Int)? = nil
    ) async throws {
        let start = Self.now(CLOCK_MONOTONIC), cpu = Self.now(CLOCK_PROCESS_CPUTIME_ID)
        try await body()
        var result = Measurement(
            name: name, operations: operations, bytes: bytes, seconds: Self.now(CLOCK_MONOTONIC) - start,
            cpuSeconds: Self.now(CLOCK_PROCESS_CPUTIME_ID) - cpu)
        if let counting {
            allocations_start()
            let count: Int
            do { count = try await counting() } catch {
                _ = allocations_stop()
                throw error
            }
            result.allocations = Double(allocations_stop().calls) / Double(count)
        }
        show(result)
    }

    /// The same of something that blocks its thread.
    public func blocking(
        _ name: String, operations: Int, bytes: Int = 0, _ body: () throws -> Void
    ) rethrows {
        let start = Self.now(CLOCK_MONOTONIC), cpu = Self.now(CLOCK_PROCESS_CPUTIME_ID)
        try body()
        show(
            Measurement(
                name: name, operations: operations, bytes: bytes, seconds: Self.now(CLOCK_MONOTONIC) - start,
                cpuSeconds: Self.now(CLOCK_PROCESS_CPUTIME_ID) - cpu))
    }

    private func show(_ result: Measurement) {
        print(isJSON ? result.json : result.text)
        fflush(nil)
    }

    private static func now(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Ends the program unless a known number of allocations is counted as such: a linker that gave the libraries glibc's own
    /// functions would make all counts 0.
    public static func checkCounting() {
        final class Something { var number = 0 }
        allocations_start()
        var kept: [Something] = []
        kept.reserveCapacity(1000)
        for number in 0..<1000 {
            let something = Something()
            something.number = number
            kept.append(something)
        }
        let counted = allocations_stop().calls
        guard (1000...1010).contains(counted), kept.count == 1000 else {
            print("allocations are not counted rightly: \(counted) of 1001")
            exit(1)
        }
    }
}
