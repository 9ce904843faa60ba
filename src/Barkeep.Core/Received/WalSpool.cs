using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>
/// The received WAL that is not in the repository yet: the tail, and complete segments on their way (docs/format.md, "Receiving WAL").
/// Local files named as segments, as long as what was received. The receiver writes it; everyone else reads.
/// </summary>
public sealed class WalSpool(string directory, SegmentSize segmentSize)
{
    /// <summary><c>&lt;home&gt;/&lt;server&gt;/streaming/&lt;system id&gt;</c>.</summary>
    public string Directory { get; } = directory;

    public SegmentSize SegmentSize { get; } = segmentSize;

    /// <summary>That of one of a server's clusters, on this machine.</summary>
    public static WalSpool Of(Lineage lineage, ServerName server, Locations locations) =>
        new(locations.SpoolDirectory(server, lineage.Identity.SystemId), lineage.Identity.SegmentSize);

    public string PathOf(SegmentName name) => Path.Combine(Directory, name.ToString());

    /// <summary>What is there now, by timeline and position, with the bytes received of each.</summary>
    public IReadOnlyList<(SegmentName Name, long Length)> List()
    {
        var found = new List<(SegmentName, long)>();
        if (System.IO.Directory.Exists(Directory))
        {
            foreach (var file in new DirectoryInfo(Directory).EnumerateFiles())
            {
                if (SegmentName.TryParse(file.Name, out var name) && name.IsValidFor(SegmentSize))
                {
                    try
                    {
                        found.Add((name, file.Length));
                    }
                    catch (FileNotFoundException)
                    {
                        // It has just gone into the repository.
                    }
                }
            }
        }
        found.Sort(static (a, b) => a.Item1.CompareTo(b.Item1));
        return found;
    }
}
