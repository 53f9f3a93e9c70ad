module github.com/xmpplens/xmpplens

go 1.25.0
