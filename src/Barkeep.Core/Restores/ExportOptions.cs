using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Restores;

/// <summary>What to export, and whereto.</summary>
public sealed record ExportOptions
{
    public required Locations Locations { get; init; }

    public required ServerName Server { get; init; }

    public required BackupId Backup { get; init; }

    /// <summary>The directory in which the tar appears, as <c>&lt;server&gt;-&lt;backup id&gt;.tar</c>.</summary>
    public required string Directory { get; init; }

    public required ExportCompression Compression { get; init; }
}
