import Glibc
import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import pail

/// What is remembered of a store: as it was written, or not at all.
@Suite struct CapabilityRecordTests {
    let record = CapabilityRecord(
        store: "s3://bücket at http://127.0.0.1:8333", time: 1_700_000_000,
        missing: [.conditionalCopies, .directoryMetadata])

    @Test func itIsReadAsItWasWritten() {
        #expect(CapabilityRecord(text: record.text) == record)
        #expect(record.features.missing == [.conditionalCopies, .directoryMetadata])
    }

    @Test func itIsBelievedForAWeek() {
        #expect(record.isFresh(at: 1_700_000_000))
        #expect(record.isFresh(at: 1_700_000_000 + 6 * 86400))
        #expect(!record.isFresh(at: 1_700_000_000 + 7 * 86400))
        #expect(!record.isFresh(at: 1_699_000_000))
    }

    @Test func whatIsCutShortOrChangedIsNoRecord() {
        let bytes = Array(record.text.utf8)
        for count in 0..<bytes.count {
            #expect(CapabilityRecord(text: String(decoding: bytes[..<count], as: UTF8.self)) == nil, "\(count) bytes")
        }
        #expect(CapabilityRecord(text: record.text + "x") == nil)
        #expect(CapabilityRecord(text: "") == nil)
        var random = SplitMix64(seed: 5)
        for _ in 0..<5000 {
            var other = bytes
            other[Int.random(in: 0..<other.count, using: &random)] = UInt8.random(in: 0..<128, using: &random)
            // A changed byte is seen, or it stands in the name or the time: the name is compared with the store's, and
            // a time can only be another one.
            guard let found = CapabilityRecord(text: String(decoding: other, as: UTF8.self)) else { continue }
            #expect(found.missing == record.missing)
        }
    }

    @Test func itIsKeptForItsStoreOnly() throws {
        var template = Array("/tmp/pail-capabilities-XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        defer {
            unlink(CapabilityRecord.path(for: record.store, in: directory).string)
            rmdir(directory + "/stores")
            rmdir(directory)
        }
        #expect(CapabilityRecord.read(for: record.store, in: directory) == nil)
        try record.write(in: directory)
        try record.write(in: directory)
        #expect(CapabilityRecord.read(for: record.store, in: directory) == record)
        #expect(CapabilityRecord.read(for: "s3://other at http://127.0.0.1:8333", in: directory) == nil)
        // Another store's record in its place, as a clash of hashes would have it.
        let foreign = CapabilityRecord(store: "s3://other", time: 1, missing: [])
        let path = CapabilityRecord.path(for: record.store, in: directory).string
        let file = try #require(fopen(path, "w"))
        fputs(foreign.text, file)
        fclose(file)
        #expect(CapabilityRecord.read(for: record.store, in: directory) == nil)
    }
}
