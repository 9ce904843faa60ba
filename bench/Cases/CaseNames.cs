namespace Barkeep.Bench.Cases;

/// <summary>What the command line, the results and the report call the cases.</summary>
static class CaseNames
{
    public const string Full = "full";
    public const string Changed = "incremental";
    public const string Unchanged = "unchanged";
    public const string Delta = "delta-restore";
    public const string Restore = "restore";
    public const string Dump = "dump";
    public const string Receiving = "receiving";
    public const string Listing = "listing";
    public const string ManyFiles = "files";
    public const string ManyIncrementals = "incrementals";
}
