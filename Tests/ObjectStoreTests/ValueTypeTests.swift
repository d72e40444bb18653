import ObjectStore
import Testing

/// The value types that every layer speaks.
@Suite struct ObjectKeyTests {
    @Test func canonicalEquivalentsAreTwoKeys() {
        let composed: ObjectKey = "caf\u{e9}"
        let decomposed: ObjectKey = "cafe\u{301}"
        #expect(composed.string == decomposed.string, "Swift takes the texts for one")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(decomposed < composed)
        #expect(!(composed < decomposed))
    }

    @Test func orderIsThatOfBytes() {
        let sorted: [ObjectKey] = [
            "", "A", "a", "a\u{1}", "a-b", "a.b", "a/", "a/b", "a0", "aa", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}",
            "\u{ffff}", "\u{10000}",
        ]
        #expect(Array(sorted.reversed()).sorted() == sorted)
        for (index, key) in sorted.enumerated() {
            for (other, against) in sorted.enumerated() {
                #expect((key < against) == (index < other))
                #expect((key == against) == (index == other))
            }
        }
    }

    @Test func prefixesAreThoseOfBytes() {
        #expect(ObjectKey("e\u{301}x").hasPrefix("e"), "a prefix may end within a character")
        #expect(!ObjectKey("\u{e9}").hasPrefix("e"))
        #expect(ObjectKey("a/b").hasPrefix(""))
        #expect(ObjectKey("a/b").hasPrefix("a/b"))
        #expect(!ObjectKey("a/b").hasPrefix("a/bc"))
    }

    @Test func markersEndInASlash() {
        #expect(ObjectKey("d/").isDirectoryMarker)
        #expect(ObjectKey("/").isDirectoryMarker)
        #expect(!ObjectKey("d").isDirectoryMarker)
        #expect(!ObjectKey("").isDirectoryMarker)
        #expect(ObjectKey("d/\u{301}").isDirectoryMarker == false, "a mark after the slash is another byte")
        #expect(ObjectKey("é").utf8Count == 2)
    }
}

@Suite struct ETagTests {
    @Test func quotesDoNotCount() {
        #expect(ETag("\"abc\"") == ETag("abc"))
        #expect(ETag("abc").quoted == "\"abc\"")
        #expect(ETag("\"abc-3\"").value == "abc-3")
        #expect(ETag("\"\"").value == "")
    }

    @Test func oddTagsStayAsTheyAre() {
        #expect(ETag("\"").value == "\"")
        #expect(ETag("\"abc").value == "\"abc")
        #expect(ETag("abc\"").value == "abc\"")
        #expect(ETag("").value == "")
        #expect(ETag("\"a\"b\"").value == "a\"b", "one pair only")
    }

    @Test func weakTagsAreNeverStrong() {
        let weak = ETag("W/\"abc\"")
        #expect(weak != ETag("abc"))
        #expect(weak.quoted == "W/\"abc\"")
        #expect(ETag(weak.quoted) == weak)
    }

    @Test func quotedRoundTrips() {
        for text in ["abc", "d41d8cd98f00b204e9800998ecf8427e-12", "", "with space"] {
            #expect(ETag(ETag(text).quoted) == ETag(text))
        }
    }
}

@Suite struct TimestampTests {
    @Test func orderIsThatOfTime() {
        let sorted = [
            Timestamp(seconds: .min), Timestamp(seconds: -2, nanoseconds: 999_999_999), Timestamp(seconds: -1),
            Timestamp(seconds: -1, nanoseconds: 1), Timestamp(seconds: 0),
            Timestamp(seconds: 0, nanoseconds: 999_999_999),
            Timestamp(seconds: 1), Timestamp(seconds: .max),
        ]
        #expect(Array(sorted.reversed()).sorted() == sorted)
        #expect(Timestamp(seconds: 5) == Timestamp(seconds: 5, nanoseconds: 0))
    }
}

@Suite struct StoreErrorTests {
    @Test func tellsWhatFailedOnOneLine() {
        let error = StoreError(
            .throttled, operation: "PutObject", key: "a b", status: 503, code: "SlowDown",
            message: "Please reduce your request rate", requestID: "42")
        #expect(
            error.description
                == "PutObject of \"a b\" failed: 503 SlowDown: Please reduce your request rate (request 42)")
        #expect(
            StoreError(.notFound, operation: "HeadObject", key: "a", status: 404).description
                == "HeadObject of \"a\" failed: HTTP 404")
        #expect(StoreError(.unreachable, operation: "ListObjectsV2").description == "ListObjectsV2 failed: unreachable")
    }
}

@Suite struct BodyTests {
    @Test func arrayBodiesReadAtAnyOffset() {
        let body = ArrayBody(Array(0..<10))
        #expect(body.length == 10)
        for offset in 0...10 {
            for capacity in 0...12 {
                var buffer = [UInt8](repeating: 255, count: capacity)
                let count = buffer.withUnsafeMutableBytes { body.read(at: Int64(offset), into: $0) }
                #expect(count == min(capacity, 10 - offset))
                #expect(
                    Array(buffer.prefix(count)) == (0..<10).map(UInt8.init).dropFirst(offset).prefix(count).map { $0 })
                #expect(buffer.dropFirst(count).allSatisfy { $0 == 255 })
            }
        }
    }
}
