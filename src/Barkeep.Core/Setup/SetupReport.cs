using Barkeep.Postgres;
using Barkeep.Repo;

namespace Barkeep.Setup;

/// <summary>A server that can be backed up.</summary>
/// <param name="MissingStatements">Grants that would make things better and are not there.</param>
public sealed record SetupReport(ServerFacts Facts, IReadOnlyList<string> MissingStatements)
{
    public ClusterIdentity Identity => new(Facts.SystemId, Facts.MajorVersion, Facts.SegmentSize);
}
