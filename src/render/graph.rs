//! Grants as a graph, subject to binding to role to rule, in the languages of Mermaid and Graphviz.

use std::io::{self, Write};

/// One way through the graph, as the labels of its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Labels, in order.
    pub labels: Vec<String>,
    /// It does not lead there: a near miss.
    pub broken: bool,
}

/// Nodes and edges, each once: a label in the same column is the same node.
struct Graph<'a> {
    nodes: Vec<(usize, &'a str)>,
    edges: Vec<(usize, usize, bool)>,
}

impl<'a> Graph<'a> {
    fn new(paths: &'a [Path]) -> Self {
        let mut places = std::collections::HashMap::new();
        let mut known = std::collections::HashSet::new();
        let mut graph = Self { nodes: Vec::new(), edges: Vec::new() };
        for path in paths {
            let mut before = None;
            for (column, label) in path.labels.iter().enumerate() {
                let node = *places.entry((column, label.as_str())).or_insert_with(|| {
                    graph.nodes.push((column, label.as_str()));
                    graph.nodes.len() - 1
                });
                if let Some(from) = before
                    && known.insert((from, node, path.broken))
                {
                    graph.edges.push((from, node, path.broken));
                }
                before = Some(node);
            }
        }
        graph
    }
}

/// Writes a Mermaid flow chart.
///
/// # Errors
/// As the writer.
pub fn mermaid(paths: &[Path], out: &mut dyn Write) -> io::Result<()> {
    let graph = Graph::new(paths);
    writeln!(out, "flowchart LR")?;
    for (index, (_, label)) in graph.nodes.iter().enumerate() {
        let mut text = String::new();
        for c in label.chars().filter(|c| !c.is_control()) {
            // Mermaid reads entities in labels, and markdown and HTML too.
            if c.is_alphanumeric() || " .,:/-()=".contains(c) {
                text.push(c);
            } else {
                text.push_str(&format!("#{};", u32::from(c)));
            }
        }
        writeln!(out, "  n{index}[\"{text}\"]")?;
    }
    for (from, to, broken) in graph.edges {
        writeln!(out, "  n{from} {} n{to}", if broken { "-.->" } else { "-->" })?;
    }
    Ok(())
}

/// Writes a Graphviz digraph.
///
/// # Errors
/// As the writer.
pub fn dot(paths: &[Path], out: &mut dyn Write) -> io::Result<()> {
    let graph = Graph::new(paths);
    writeln!(out, "digraph access {{\n  rankdir=LR;\n  node [shape=box];")?;
    for (index, (_, label)) in graph.nodes.iter().enumerate() {
        let text: String = label.chars().filter(|c| !c.is_control()).collect();
        writeln!(out, "  n{index} [label=\"{}\"];", text.replace('\\', "\\\\").replace('"', "\\\""))?;
    }
    for (from, to, broken) in graph.edges {
        writeln!(out, "  n{from} -> n{to}{};", if broken { " [style=dashed]" } else { "" })?;
    }
    writeln!(out, "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stands_once_and_no_label_breaks_out() {
        let path = |labels: &[&str], broken| Path { labels: labels.iter().map(|&l| l.to_owned()).collect(), broken };
        let paths = [path(&["User \"a\"]\n", "B"], false), path(&["User \"a\"]\n", "C\\"], true)];
        let mut text = Vec::new();
        mermaid(&paths, &mut text).expect("memory");
        assert_eq!(
            String::from_utf8_lossy(&text),
            "flowchart LR\n  n0[\"User #34;a#34;#93;\"]\n  n1[\"B\"]\n  n2[\"C#92;\"]\n  n0 --> n1\n  n0 -.-> n2\n"
        );
        let mut text = Vec::new();
        dot(&paths, &mut text).expect("memory");
        let text = String::from_utf8_lossy(&text);
        assert!(
            text.contains("n0 [label=\"User \\\"a\\\"]\"];\n  n1 [label=\"B\"];\n  n2 [label=\"C\\\\\"];"),
            "{text}"
        );
        assert!(text.contains("n0 -> n2 [style=dashed];"), "{text}");
    }
}
