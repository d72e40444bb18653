// swift-tools-version: 6.2
import PackageDescription

// Layers point one way; see Documentation/ARCHITECTURE.md. A target may name only targets above it in this list.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "pail",
    products: [
        .executable(name: "pail", targets: ["pail"]),
        // For the packages under Benchmarks.
        .library(name: "Mount", targets: ["Mount"]),
        .library(name: "FileSystem", targets: ["FileSystem"]),
        .library(name: "ObjectStore", targets: ["ObjectStore"]),
        .library(name: "ObjectStoreTesting", targets: ["ObjectStoreTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // C libraries: module maps and inline shims, nothing else.
        .systemLibrary(
            name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CChecksum"),

        // What is counted and timed while Pail runs, and how that is written for Prometheus.
        .target(name: "Metrics", swiftSettings: strict),

        // The store: the protocol every layer speaks, and S3 behind it.
        .target(name: "ObjectStore", dependencies: ["CChecksum"], swiftSettings: strict),
        .target(
            name: "S3", dependencies: ["ObjectStore", "Metrics", "CCurl", "CXML2", "CCrypto", logging, collections],
            swiftSettings: strict),

        // What survives on this machine: the journal, and the store that uploads later.
        .target(
            name: "LocalState", dependencies: ["ObjectStore", "CSQLite", logging, collections],
            swiftSettings: strict),

        // The file system, and the kernel side of it.
        .target(
            name: "FileSystem", dependencies: ["ObjectStore", "CLinux", system, logging, collections],
            swiftSettings: strict),
        .target(
            name: "Mount", dependencies: ["FileSystem", "Metrics", "CFuse", "CLinux", system, logging, collections],
            swiftSettings: strict),
        // For engines and monitors that ask a process something.
        .target(name: "HTTPServer", dependencies: ["CMicroHTTPD", system, logging], swiftSettings: strict),
        // What the file system asks to be remembered, in the journal, and what the next mount does with it.
        .target(
            name: "Recovery", dependencies: ["ObjectStore", "LocalState", "FileSystem", logging], swiftSettings: strict),
        // The consistency check of a bucket: one file for each check.
        .target(
            name: "Check",
            dependencies: ["ObjectStore", "S3", "LocalState", "FileSystem", "Recovery", system, logging],
            swiftSettings: strict),
        // The volumes of Docker and Podman.
        .target(
            name: "Volumes", dependencies: ["Mount", "HTTPServer", system, logging], swiftSettings: strict),
        .executableTarget(
            name: "pail",
            dependencies: [
                "ObjectStore", "S3", "LocalState", "FileSystem", "Mount", "HTTPServer", "Recovery", "Check", "Volumes",
                "Metrics",
                "CLinux", arguments, system, logging,
            ],
            swiftSettings: strict),

        // For tests: a store in memory with S3's semantics, decorators that inject faults, servers to start and stop.
        .target(
            name: "ObjectStoreTesting", dependencies: ["ObjectStore", collections], swiftSettings: strict),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: strict),
        .testTarget(
            name: "ObjectStoreTests", dependencies: ["ObjectStore", "ObjectStoreTesting"], swiftSettings: strict),
        .testTarget(
            name: "S3Tests", dependencies: ["S3", "ObjectStore", "ObjectStoreTesting", logging], exclude: ["Corpus"],
            swiftSettings: strict),
        .testTarget(
            name: "LocalStateTests", dependencies: ["LocalState", "ObjectStore", "ObjectStoreTesting", "CSQLite"],
            swiftSettings: strict),
        .testTarget(
            name: "CredentialsTests", dependencies: ["S3", "ObjectStore", "ObjectStoreTesting", logging],
            swiftSettings: strict),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "pail", "S3", "ObjectStore", "ObjectStoreTesting", "LocalState", "Metrics", "Mount", "Volumes", system,
                logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "VolumesTests", dependencies: ["Volumes", "HTTPServer", system, logging], swiftSettings: strict),
        .testTarget(name: "HTTPServerTests", dependencies: ["HTTPServer", system, logging], swiftSettings: strict),
        .testTarget(
            name: "FileSystemTests", dependencies: ["FileSystem", "ObjectStoreTesting", system],
            swiftSettings: strict),
        .testTarget(
            name: "CheckTests",
            dependencies: [
                "Check", "LocalState", "S3", "FileSystem", "ObjectStore", "ObjectStoreTesting", "CSQLite", logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ModelTests",
            dependencies: [
                "FileSystem", "LocalState", "Recovery", "ObjectStore", "ObjectStoreTesting", system, logging,
            ],
            swiftSettings: strict),
        // A file system in memory, mounted by a process of its own: tests kill it and send it signals.
        .executableTarget(
            name: "MountFixture", dependencies: ["Mount", "FileSystem", "ObjectStore", system, logging],
            path: "Tests/MountFixture", swiftSettings: strict),
        .testTarget(
            name: "MountTests", dependencies: ["Mount", "MountFixture", "FileSystem", "CFuse", system, logging],
            swiftSettings: strict),
    ]
)
