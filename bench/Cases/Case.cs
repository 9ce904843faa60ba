namespace Barkeep.Bench.Cases;

/// <summary>Something that is measured, beside the peers that can do it too.</summary>
/// <param name="names">What the command line and the results call its parts, which are measured together.</param>
/// <param name="needsResearch">It works on the research database; otherwise its figures do not depend on the size.</param>
abstract class Case(string[] names, bool needsResearch)
{
    public IReadOnlyList<string> Names => names;

    public bool NeedsResearch => needsResearch;

    /// <param name="cluster">The running research database; null where it is not needed.</param>
    public abstract void Run(Bench bench, Cluster? cluster);
}
