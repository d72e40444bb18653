public import ObjectStore

/// Checks that a store keeps to what ``ObjectStore`` promises: the same over a store in memory and over S3 servers.
///
/// Each ``Check`` works under a key prefix of its own, which it expects empty and leaves empty, and stops at the first broken
/// promise. Where stores are known to differ, a ``Profile`` says what is right for this one; everything else is the same for
/// all. The conditions that a store's features say it ignores are checked to be ignored without harm, not to be refused.
public struct StoreConformance: Sendable {
    /// Where stores are known to differ.
    public struct Profile: Sendable {
        /// Whether a version that was read before may be read again after it was replaced: the store keeps what it reads.
        public var keepsReadVersions = false
        /// What a PUT, DELETE or completion with `If-Match` throws where there is no such key: S3 says `notFound`.
        public var missingMatch: Set<StoreError.Kind> = [.notFound, .preconditionFailed]
        /// A DELETE with `If-Match` of a missing key may also succeed.
        public var deletesMissingMatch = false
        /// User metadata over 2 KB is refused.
        public var limitsMetadata = true
        /// A too small part is refused at the completion.
        public var checksPartSizes = true
        /// A completed content's ETag ends in `-` and the number of parts.
        public var marksPartCount = true
        /// A key `n` may lie beside keys `n/x`.
        public var takesKeyBesidePrefix = true
        /// Keys with empty, `.` and `..` components are kept as they are.
        public var keepsOddComponents = true
        /// A copy of a key that ends in `/` onto itself works.
        public var copiesDirectoryOntoItself = true
        /// `Cache-Control`, `Content-Disposition`, `Content-Encoding`, `Content-Language` and `Expires` are kept.
        public var keepsContentHeaders = true
        /// ListMultipartUploads shows uploads under way.
        public var listsUploads = true

        /// The same content stored again has the same ETag again.
        public var tellsEqualContents = true
        /// Keys with a backslash are kept as they are; SeaweedFS turns it into a slash.
        public var keepsBackslashes = true
        /// A listing with a delimiter that starts after `b` shows the prefix `b/`; SeaweedFS leaves it out.
        public var startsPrefixesAfterTheirName = true

        /// S3 itself.
        public init() {}

        /// SeaweedFS 4.48, as seen by boto3.
        public static let seaweedFS: Profile = {
            var profile = Profile()
            profile.copiesDirectoryOntoItself = false
            profile.keepsOddComponents = false
            profile.keepsBackslashes = false
            profile.startsPrefixesAfterTheirName = false
            return profile
        }()
    }

    /// A broken promise.
    public struct Finding: Error, Sendable, CustomStringConvertible {
        /// The check that found it.
        public var check: String
        /// What was expected and what came.
        public var message: String

        /// `check: message`.
        public var description: String { "\(check): \(message)" }
    }

    /// One check.
    public struct Check: Sendable, CustomStringConvertible {
        /// Its name.
        public let name: String
        fileprivate let body: @Sendable (Context) async throws -> Void

        init(_ name: String, _ body: @escaping @Sendable (Context) async throws -> Void) {
            self.name = name
            self.body = body
        }

        /// Its name.
        public var description: String { name }

        /// Runs the check under `prefix` (which ends in `/`, or is empty) and takes away what it made.
        /// - Throws: a ``Finding``, also for a request that failed unexpectedly.
        public func run(
            on store: any ObjectStore, prefix: String = "conformance/", profile: Profile = Profile()
        ) async throws(Finding) {
            let context = Context(store: store, prefix: prefix + name + "/", profile: profile)
            var failure: (any Error)?
            do { try await body(context) } catch { failure = error }
            do { try await context.cleanUp() } catch { failure = failure ?? error }
            guard let failure else { return }
            if let broken = failure as? Context.Broken { throw Finding(check: name, message: broken.message) }
            throw Finding(check: name, message: "unexpected error: \(failure)")
        }
    }

    /// All checks.
    public static let checks: [Check] =
        objectChecks + conditionChecks + listingChecks + copyChecks + multipartChecks + keyChecks

    /// Runs all checks in turn and returns what they found: nothing, for a store that keeps all promises.
    public static func run(
        on store: any ObjectStore, prefix: String = "conformance/", profile: Profile = Profile()
    ) async -> [Finding] {
        var findings: [Finding] = []
        for check in checks {
            do { try await check.run(on: store, prefix: prefix, profile: profile) } catch { findings.append(error) }
        }
        return findings
    }

    /// What a check works with.
    struct Context: Sendable {
        struct Broken: Error {
            var message: String
        }

        let store: any ObjectStore
        let prefix: String
        let profile: Profile

        /// A key of this check's own.
        func key(_ name: String) -> ObjectKey { ObjectKey(prefix + name) }

        /// Breaks off unless the condition holds.
        func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
            if !condition { throw Broken(message: message()) }
        }

        /// Breaks off unless both are equal.
        func expect<T: Equatable>(_ found: T, _ wanted: T, _ what: String) throws {
            if found != wanted { throw Broken(message: "\(what): expected \(wanted), found \(found)") }
        }

        /// Breaks off unless the request fails with one of these kinds.
        func expectError(
            _ kinds: Set<StoreError.Kind>, _ what: String, _ request: () async throws -> Void
        ) async throws {
            do {
                try await request()
            } catch let error as StoreError {
                if !kinds.contains(error.kind) {
                    throw Broken(message: "\(what): expected \(kinds), found \(error.kind): \(error)")
                }
                return
            }
            throw Broken(message: "\(what): expected \(kinds), but it succeeded")
        }

        /// Puts an object without condition.
        @discardableResult
        func put(
            _ name: String, _ text: String = "", _ metadata: ObjectMetadata = ObjectMetadata()
        ) async throws -> StoredObject {
            try await store.put(key(name), body: ArrayBody(Array(text.utf8)), metadata: metadata, if: .none)
        }

        /// The text of an object.
        func text(_ name: String) async throws -> String {
            String(decoding: try await store.bytes(of: key(name)), as: UTF8.self)
        }

        /// The object's ETag by HEAD.
        func etag(_ name: String) async throws -> ETag {
            guard let etag = try await store.head(key(name)).etag else {
                throw Broken(message: "a HEAD of \(name) gives no ETag")
            }
            return etag
        }

        /// Deterministic bytes that do not repeat within a part.
        func bytes(_ count: Int64, seed: UInt64) -> [UInt8] {
            var random = SplitMix64(seed: seed)
            return [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, initialized in
                let raw = UnsafeMutableRawBufferPointer(buffer)
                var offset = 0
                while offset + 8 <= raw.count {
                    raw.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
                    offset += 8
                }
                while offset < raw.count {
                    raw[offset] = UInt8(truncatingIfNeeded: random.next())
                    offset += 1
                }
                initialized = raw.count
            }
        }

        func cleanUp() async throws {
            for upload in try await store.listUploads(prefix: prefix, after: nil).uploads {
                try await store.abortUpload(upload)
            }
            for object in try await store.listAll(prefix).objects.reversed() {
                try await store.delete(object.key, if: .none)
            }
        }
    }
}
